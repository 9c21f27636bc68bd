"""Defines jobs as data: :class:`Job`, its options, its pages, its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import ConfigurationError
from ..reading.reader import Reader
from ..sources.source import parse_page_selection

__all__ = [
    "ENDED",
    "CallbackTarget",
    "DueCallback",
    "Job",
    "JobError",
    "JobOptions",
    "JobPage",
    "JobState",
    "QueueStats",
    "Readiness",
    "StoredPage",
    "Upload",
]

LONGEST_NAME = 255
"""Most characters of a document's name, as in most file systems."""

_MOST_PAGES = 10_000
"""The number of pages assumed when a selection is checked before the document is opened."""


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    """It has ended, and some pages could not be read."""
    FAILED = "failed"
    """It has ended, and no page could be read."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in ENDED


ENDED = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})
"""The final states of a job."""


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where to report the end of a job.

    Attributes:
        url: Address that gets a POST.
        secret: Key of the signature; None for the service's own key.
    """

    url: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How to read a document; checked when it is made.

    Attributes:
        task: What to ask of each page, as in :class:`~deepseek_ocr_rag.Reader`.
        resolution: How finely the model sees a page, as there.
        pages: Which pages, 1-based: ``"1-3,7"``; None for all.
        name: What to call the document in results; None for the upload's name.
        password: For an encrypted PDF. It is removed from the store when the job ends.
        callback: Where to report the end of the job.

    Raises:
        ConfigurationError: If the task or the resolution is unknown, or the name is too long.
        PageRangeError: If the selection of pages is malformed.
    """

    task: str = "document"
    resolution: str = "gundam"
    pages: str | None = None
    name: str | None = None
    password: str | None = field(default=None, repr=False)
    callback: CallbackTarget | None = None

    def __post_init__(self) -> None:
        # This runs the reader's own checks. The reader is not closed: it holds nothing before it is
        # used, and closing it would end the idle rendering processes of others.
        Reader("lite", task=self.task, resolution=self.resolution, cache=False)
        if self.pages is not None:
            parse_page_selection(self.pages, _MOST_PAGES, source=self.name)
        if self.name is not None and not 0 < len(self.name) <= LONGEST_NAME:
            raise ConfigurationError(
                f"a document's name of {len(self.name)} characters cannot be used",
                remedy=f"Give 1 to {LONGEST_NAME} characters.",
            )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job ended without a full result.

    Attributes:
        type: Name of a class of :mod:`deepseek_ocr_rag.errors`.
        message: What happened, without the remedy.
        remedy: What to do about it; "" if nothing is known.
        page: 1-based number of the page; None if it is not about one.
    """

    type: str
    message: str
    remedy: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A document that waits to be read, is being read, or was read.

    Times are seconds since 1970 (:func:`time.time`).

    Attributes:
        id: Random, unguessable.
        owner: Name of the key that it belongs to.
        state: How far along it is.
        name: What the document is called.
        sha256: Hash of its bytes, 64 hex digits.
        media_type: As the client named it.
        options: How it is read; without the password.
        pages_done: Finished pages, failed ones included.
        pages_failed: Pages that could not be read.
        pages_total: Pages to read; None before the document was opened.
        document_pages: Pages of the file; None before it was opened.
        queue_position: 1 for the job that is started next; None if it does not wait.
        eta_s: Seconds until it will probably have ended; None if it has, or if that is unknown.
        created: When it was submitted.
        started: When it was started for the first time.
        ended: When it ended.
        expires: When its result is removed.
        error: Why it failed; for a partial one, the first failed page's error.
        version: Grows with every change of the job.
    """

    id: str
    owner: str
    state: JobState
    name: str
    sha256: str
    media_type: str
    options: JobOptions
    pages_done: int
    pages_failed: int
    pages_total: int | None
    document_pages: int | None
    queue_position: int | None
    eta_s: float | None
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    error: JobError | None
    version: int


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A finished page.

    Attributes:
        number: 1-based number in the file.
        sequence: 1 for the job's page that was stored first, then 2, 3, ...
        json: The page, as :func:`~deepseek_ocr_rag.reading.cached_pages.page_to_json` writes it.
        failed: Whether it could not be read; ``json`` then has its error.
        corrected: How many of its blocks a person has corrected; ``json`` has the corrected text.
    """

    number: int
    sequence: int
    json: str = field(repr=False)
    failed: bool = False
    corrected: int = 0


@dataclass(frozen=True, slots=True)
class JobPage:
    """A part of a list of jobs, newest first.

    Attributes:
        jobs: The jobs.
        next_cursor: What to pass as ``after`` for the next part; None after the last one.
    """

    jobs: tuple[Job, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A document that was sent, or that is to be sent.

    Attributes:
        id: Random, unguessable.
        owner: Name of the key that it belongs to.
        name: What its sender calls it.
        media_type: As its sender named it.
        size: Bytes; None before its content came.
        sha256: Hash of the content, 64 hex digits; None before it came.
        created: When it was announced.
        expires: When it is removed, unless a job needs it.
    """

    id: str
    owner: str
    name: str
    media_type: str
    size: int | None
    sha256: str | None
    created: float
    expires: float


@dataclass(frozen=True, slots=True)
class DueCallback:
    """A callback that still has to report the end of its job.

    Attributes:
        job: The job's id.
        owner: Name of its key.
        target: Where to report it.
        attempts: How often reporting failed.
        due: When to try (again).
    """

    job: str
    owner: str
    target: CallbackTarget
    attempts: int
    due: float


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Figures of the queue; the counters begin with the process.

    Attributes:
        jobs: How many jobs are in each state now.
        pages_read: Counter of pages stored, failed ones included.
        pages_failed: Counter of pages that could not be read.
        attempts: Counter of how often pages were asked for.
        loops: Counter of pages that ended in a repetition.
        page_seconds: Sum of the seconds that each page took.
        pages_timed: Pages in ``page_seconds``.
        pages_per_second: Of the last minute.
        bytes_stored: Bytes of uploads.
        engine_starts: How often the reading process was started.
        engine_deaths: How often it ended unexpectedly, or was ended because it hung.
        engine_pid: Process id of the reading process; None while there is none.
        last_event: When the reading process last sent a message; None if it never did.
        tokens: Counter of tokens that the model wrote; None if the backend does not count them.
        tokens_per_second: Of the last minute; None likewise.
        gpu_memory: Bytes that the model's process has taken on GPUs, as of the last page; None
            without a CUDA backend that says so.
    """

    jobs: Mapping[JobState, int]
    pages_read: int
    pages_failed: int
    attempts: int
    loops: int
    page_seconds: float
    pages_timed: int
    pages_per_second: float
    bytes_stored: int
    engine_starts: int
    engine_deaths: int
    engine_pid: int | None
    last_event: float | None
    tokens: int | None = None
    tokens_per_second: float | None = None
    gpu_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service can read pages now.

    Attributes:
        ready: Whether it can.
        reason: Why it cannot; "" if it can.
        backend: Name of the backend; "" before it was started.
        model: Name of the model; "" before it was started.
    """

    ready: bool
    reason: str = ""
    backend: str = ""
    model: str = ""
