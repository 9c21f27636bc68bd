from .client.service_reader import ServiceReader, reader_named
from .job_results import RESULT_FORMATS, result_chunks
from .jobs import (
    CallbackTarget,
    DueCallback,
    Job,
    JobError,
    JobOptions,
    JobPage,
    JobState,
    QueueStats,
    Readiness,
    StoredPage,
    Upload,
)
from .queue import JobQueue
from .service_limits import ReaderSettings, ServiceLimits

__all__ = [
    "RESULT_FORMATS",
    "CallbackTarget",
    "DueCallback",
    "Job",
    "JobError",
    "JobOptions",
    "JobPage",
    "JobQueue",
    "JobState",
    "QueueStats",
    "ReaderSettings",
    "Readiness",
    "ServiceLimits",
    "ServiceReader",
    "StoredPage",
    "Upload",
    "reader_named",
    "result_chunks",
]
