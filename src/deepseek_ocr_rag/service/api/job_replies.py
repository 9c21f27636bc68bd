"""What the API says of uploads, jobs and pages: frozen dataclasses, from which OpenAPI is made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ..jobs import Job, JobState, StoredPage, Upload

__all__ = [
    "JobErrorReply",
    "JobLinks",
    "JobListReply",
    "JobOptionsReply",
    "JobReply",
    "PageEntry",
    "PageListReply",
    "UploadReply",
    "job_path",
    "job_reply",
    "page_entry",
    "retry_after",
    "upload_reply",
    "utc_time",
]

LONGEST_RETRY: Final = 30
"""Most seconds that Retry-After says while a job is read."""


@dataclass(frozen=True, slots=True)
class UploadReply:
    """An upload, with or without its content.

    Attributes:
        id: Of the upload.
        name: Of the file.
        media_type: As the client named it.
        bytes: Size of its content; null until it has come.
        sha256: Of its content; null until it has come.
        content: Where to PUT its content.
    """

    id: str
    name: str
    media_type: str
    bytes: int | None
    sha256: str | None
    content: str


@dataclass(frozen=True, slots=True)
class JobErrorReply:
    """Why a job failed.

    Attributes:
        type: Class of the error in deepseek_ocr_rag.errors.
        message: What happened.
        remedy: What to do.
        page: 1-based page, if it happened on one.
    """

    type: str
    message: str
    remedy: str | None
    page: int | None


@dataclass(frozen=True, slots=True)
class JobLinks:
    """Where everything about a job is."""

    self: str
    events: str
    pages: str
    result: str


@dataclass(frozen=True, slots=True)
class JobOptionsReply:
    """How a document is read.

    Attributes:
        task: What is asked of each page.
        resolution: How finely the model sees a page.
        pages: Which pages; null for all.
    """

    task: str
    resolution: str
    pages: str | None


@dataclass(frozen=True, slots=True)
class JobReply:
    """A job.

    Attributes:
        id: Of the job.
        status: queued, running, succeeded, partial (some pages failed), failed or cancelled.
        name: Of the document.
        sha256: Of the document's bytes.
        media_type: Of the document.
        options: How it is read.
        pages_done: Pages that were read, failed ones included.
        pages_failed: Pages that could not be read.
        pages_total: Pages to read; null until the document was opened.
        document_pages: Pages of the file; null until it was opened.
        queue_position: 1 is next; null if the job does not wait.
        eta_s: Seconds until the end, as far as known.
        created: When it was sent, ISO 8601 in UTC.
        started: When its reading began.
        ended: When it ended.
        expires: When its result will be removed.
        error: Why it failed.
        links: Where its parts are.
    """

    id: str
    status: JobState
    name: str
    sha256: str
    media_type: str
    options: JobOptionsReply
    pages_done: int
    pages_failed: int
    pages_total: int | None
    document_pages: int | None
    queue_position: int | None
    eta_s: float | None
    created: str
    started: str | None
    ended: str | None
    expires: str | None
    error: JobErrorReply | None
    links: JobLinks


@dataclass(frozen=True, slots=True)
class JobListReply:
    """Jobs, newest first.

    Attributes:
        jobs: One page of the list.
        next_cursor: Pass it as ``after`` for the next page; null at the end.
    """

    jobs: list[JobReply]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page that was read.

    Attributes:
        number: 1-based page of the document.
        sequence: Its place in the order in which pages were finished, from 1; the id of its event.
        failed: Whether it could not be read.
        page: Where its text is.
        picture: Where its picture is.
        label: The printed page number, where the file records it.
        width: Of the page in points; 0 if it is not known.
        height: Of the page in points; 0 if it is not known.
        finish_reason: Why its text ends, as in the page.
        confidence: How sure the model was, 0 to 1; null if that is not known.
        error: Why it could not be read.
        warnings: What to know about the page.
    """

    number: int
    sequence: int
    failed: bool
    page: str
    picture: str
    label: str | None
    width: float
    height: float
    finish_reason: str
    confidence: float | None
    error: str | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class PageListReply:
    """The pages that were read so far, in the order in which they were finished.

    Attributes:
        pages: One piece of the list.
        next_after: Pass it as ``after`` for what follows; null if nothing does yet.
    """

    pages: list[PageEntry]
    next_after: int | None


def job_path(job_id: str) -> str:
    """The path of a job."""
    return f"/v1/jobs/{job_id}"


def upload_reply(upload: Upload) -> UploadReply:
    """What the API says of an upload."""
    return UploadReply(
        id=upload.id,
        name=upload.name,
        media_type=upload.media_type,
        bytes=upload.size,
        sha256=upload.sha256,
        content=f"/v1/uploads/{upload.id}/content",
    )


def job_reply(job: Job) -> JobReply:
    """What the API says of a job."""
    path = job_path(job.id)
    failure = None
    if job.error is not None:
        failure = JobErrorReply(job.error.type, job.error.message, job.error.remedy, job.error.page)
    return JobReply(
        id=job.id,
        status=job.state,
        name=job.name,
        sha256=job.sha256,
        media_type=job.media_type,
        options=JobOptionsReply(job.options.task, job.options.resolution, job.options.pages),
        pages_done=job.pages_done,
        pages_failed=job.pages_failed,
        pages_total=job.pages_total,
        document_pages=job.document_pages,
        queue_position=job.queue_position,
        eta_s=None if job.eta_s is None else round(job.eta_s, 1),
        created=utc_time(job.created) or "",
        started=utc_time(job.started),
        ended=utc_time(job.ended),
        expires=utc_time(job.expires),
        error=failure,
        links=JobLinks(path, f"{path}/events", f"{path}/pages", f"{path}/result"),
    )


def page_entry(job_id: str, page: StoredPage) -> PageEntry:
    """What the API says of a page."""
    path = f"{job_path(job_id)}/pages/{page.number}"
    read = json.loads(page.json)  # much faster than a Page, and there may be thousands
    return PageEntry(
        number=page.number,
        sequence=page.sequence,
        failed=page.failed,
        page=path,
        picture=f"{path}.png",
        label=read["label"],
        width=read["width"],
        height=read["height"],
        finish_reason=read["finish_reason"],
        confidence=read["confidence"],
        error=read["error"],
        warnings=read["warnings"],
    )


def retry_after(job: Job) -> int:
    """Seconds after which to ask for a job again: a quarter of what it still needs."""
    return max(1, min(LONGEST_RETRY, round((job.eta_s or 0.0) / 4)))


def utc_time(seconds: float | None) -> str | None:
    """ISO 8601 of seconds since 1970, in UTC; None of None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
