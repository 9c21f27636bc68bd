"""Reads a document within one request, for clients that do not know about jobs.

The job is removed once the reply is sent, because nobody else knows about it. If the client hangs up,
the job is cancelled, unless another request also waits for it. If the request runs out of time, the
job goes on, and sending the same document again finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ... import errors
from ...document.types import OcrDocument
from ...errors import DeepSeekOCRError, JobExpiredError, JobNotFoundError, ServiceClosingError
from ...reading.cached_pages import page_from_json
from ..api.asker import (
    ClientGoneError,
    in_worker,
    look,
    owner_of,
    queue_of,
    settings_of,
    while_connected,
)
from ..api.job_watch import JobWatch
from ..jobs import Job, JobOptions, JobState, Upload
from ..queue import JobQueue

__all__ = ["conversion", "document_of_job", "error_of_job", "wait_for_end"]

LOOK_SECONDS: Final = 5.0
"""Seconds between two checks whether the client still waits."""

REMOVAL_SECONDS: Final = 0.1
"""Seconds to wait before removing a job that was cancelled because its client hung up."""


@asynccontextmanager
async def conversion(request: Request, upload: Upload, options: JobOptions) -> AsyncIterator[Job]:
    """Read a document; its ended job exists while the reply is made.

    Args:
        request: The request that waits.
        upload: The document; removed at the end.
        options: How to read it.

    Raises:
        HTTPException: 504 if it takes longer than a request may; the job goes on.
        ClientGoneError: If the client hung up; the job is gone, unless others wait for it.
        ServiceClosingError: If the service closes; the job goes on after its next start.
    """
    queue, owner = queue_of(request), owner_of(request)
    job: Job | None = None
    try:
        job = await _ended_job(request, upload, options)
        yield job
    finally:
        with suppress(JobNotFoundError, JobExpiredError):
            await in_worker(queue.delete_upload, owner, upload.id)
        with suppress(JobNotFoundError, JobExpiredError):
            if job is not None and _is_last(request, job.id):
                await in_worker(queue.delete, owner, job.id)


async def _ended_job(request: Request, upload: Upload, options: JobOptions) -> Job:
    """Submit a document, or find the job in which it is being read, and wait for the end.

    The request counts as needing the job until :func:`_is_last` is called.
    """
    queue, owner = queue_of(request), owner_of(request)
    same, seconds = _same(upload, options), settings_of(request).longest_reading
    for again in (True, False):
        job = await in_worker(
            queue.submit, owner, upload.id, options, idempotency_key=same, body_digest=same
        )
        _waiting(request)[job.id] += 1
        try:
            job = await while_connected(request, wait_for_end(request, job.id, seconds))
            if job.state.ended and not (again and job.state is JobState.CANCELLED):
                return job
        except (JobNotFoundError, JobExpiredError):
            # Another request waited for the same job and has just removed it.
            _is_last(request, job.id)
            if not again:
                raise
        except ClientGoneError:
            if _is_last(request, job.id):
                with suppress(JobNotFoundError, JobExpiredError):
                    await in_worker(queue.delete, owner, job.id)
            raise
        except BaseException:
            _is_last(request, job.id)
            raise
        else:
            _is_last(request, job.id)
            if not job.state.ended:
                break
            # The client of another request hung up at this very moment.
            await asyncio.sleep(REMOVAL_SECONDS)
    raise HTTPException(
        504,
        f"reading takes longer than {seconds:g} seconds; it goes on, so send the same document "
        "again later to get its result",
    )


def _is_last(request: Request, job_id: str) -> bool:
    """Note that a request no longer needs a job; return whether it was the last."""
    waiting = _waiting(request)
    waiting[job_id] -= 1
    if waiting[job_id]:
        return False
    del waiting[job_id]
    return True


async def wait_for_end(request: Request, job_id: str, seconds: float) -> Job:
    """The job when it has ended, or after this many seconds, or when its client has hung up.

    Raises:
        ServiceClosingError: If the service closes first.
    """
    queue, owner = queue_of(request), owner_of(request)
    watch: JobWatch = request.app.state.watch
    until = time.monotonic() + seconds
    with watch.following(job_id) as changes:
        while True:
            job = await look(queue.get, owner, job_id)
            left = until - time.monotonic()
            if job.state.ended or left <= 0 or await request.is_disconnected():
                return job
            if watch.closing:
                raise ServiceClosingError(
                    "the service is closing", remedy="Send the document again in a minute."
                )
            await changes.wait(min(left, LOOK_SECONDS))


def document_of_job(queue: JobQueue, owner: str, job: Job) -> OcrDocument:
    """A job's document, with the pages that were read and those that could not be."""
    pages = tuple(page_from_json(row.json) for row in queue.pages_in_order(owner, job.id))
    return OcrDocument(job.name, pages, job.document_pages or len(pages), job.sha256)


def error_of_job(job: Job) -> DeepSeekOCRError:
    """The error because of which a job has no result."""
    if job.error is None:
        return errors.ReadCancelledError("the job was cancelled", source=job.name)
    kind = getattr(errors, job.error.type, DeepSeekOCRError)
    if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
        kind = DeepSeekOCRError
    return kind(
        job.error.message, source=job.name, page=job.error.page, remedy=job.error.remedy or None
    )


def _same(upload: Upload, options: JobOptions) -> str:
    """The same text for the same document, read in the same way."""
    text = f"{upload.sha256}\n{upload.name}\n{options!r}"
    return f"door-{hashlib.sha256(text.encode()).hexdigest()}"


def _waiting(request: Request) -> Counter[str]:
    """How many requests wait for each job."""
    state = request.app.state
    if not hasattr(state, "waiting_requests"):
        state.waiting_requests = Counter()
    waiting: Counter[str] = state.waiting_requests
    return waiting
