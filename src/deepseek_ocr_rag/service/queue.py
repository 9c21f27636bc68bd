"""The door to the service's jobs: :class:`JobQueue`, all that the HTTP layer uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from .jobs import (
    DueCallback,
    Job,
    JobOptions,
    JobPage,
    JobState,
    QueueStats,
    Readiness,
    StoredPage,
    Upload,
)
from .service_limits import ReaderSettings, ServiceLimits

__all__ = ["JobQueue"]


class JobQueue:
    """Jobs that survive everything, and the one process that reads them.

    Threads may share one. The methods block only for a moment, but for :meth:`wait`,
    :meth:`write_upload`, :meth:`picture` and :meth:`drain`. An ``owner`` is the name of a key;
    what belongs to another key is not found.

    Args:
        folder: Where everything is stored; created for its owner alone.
        reader_settings: What reads.
        limits: How much may be asked.

    Raises:
        StoreInUseError: If another process owns the folder.
        StoreError: If it cannot be used.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        reader_settings: ReaderSettings | None = None,
        limits: ServiceLimits | None = None,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the reading process, and go on with the jobs that wait or were interrupted."""
        raise NotImplementedError

    def drain(self, seconds: float) -> None:
        """Take no new jobs, and let the pages that are being read finish, for so many seconds.

        What has not finished by then is put back and goes on after the next start.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the reading process and free the folder. A second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- uploads --------------------------------------------------------------------------

    def new_upload(self, owner: str, name: str, media_type: str) -> Upload:
        """Announce a document.

        Raises:
            QuotaError: If the key has stored as many bytes as it may.
            ServiceClosingError: If the service is being stopped.
            StoreError: If it cannot be stored.
        """
        raise NotImplementedError

    def write_upload(self, owner: str, upload_id: str, chunks: Iterable[bytes]) -> Upload:
        """Store a document's bytes as they come; nothing is kept unless all of them are.

        Raises:
            JobNotFoundError: If there is no such upload.
            UploadError: If it has content already, or is empty.
            UploadTooLargeError: If it is larger than an upload may be.
            QuotaError: If the key would have stored more bytes than it may.
            StoreFullError: If there is no space left.
        """
        raise NotImplementedError

    def upload(self, owner: str, upload_id: str) -> Upload:
        """An upload.

        Raises:
            JobNotFoundError: If there is no such upload.
        """
        raise NotImplementedError

    def uploads(self, owner: str) -> tuple[Upload, ...]:
        """The uploads of a key that have content, oldest first."""
        raise NotImplementedError

    def upload_file(self, owner: str, upload_id: str) -> Path:
        """The file of an upload's bytes, to read it.

        Raises:
            JobNotFoundError: If there is no such upload.
            UploadError: If it has no content yet.
        """
        raise NotImplementedError

    def delete_upload(self, owner: str, upload_id: str) -> None:
        """Remove an upload; its bytes stay as long as a job needs them.

        Raises:
            JobNotFoundError: If there is no such upload.
        """
        raise NotImplementedError

    # --- jobs -----------------------------------------------------------------------------

    def submit(
        self,
        owner: str,
        upload_id: str,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
        body_digest: str | None = None,
    ) -> Job:
        """Make a job of an upload. When this returns, the job survives everything.

        Args:
            owner: Name of the key.
            upload_id: The document.
            options: How to read it.
            idempotency_key: A second request with it gives the same job.
            body_digest: Hash of the request, which must then be the same; by default made of
                the document's hash and the options.

        Raises:
            JobNotFoundError: If there is no such upload.
            UploadError: If it has no content yet.
            IdempotencyError: If the key was used with another request.
            QueueFullError: If too many jobs wait.
            QuotaError: If too many jobs of this key wait.
            EngineFailedError: If the reading process does not start.
            ServiceClosingError: If the service is being stopped.
            StoreError: If it cannot be stored.
        """
        raise NotImplementedError

    def get(self, owner: str, job_id: str) -> Job:
        """A job.

        Raises:
            JobNotFoundError: If it never was, or belongs to another key.
            JobExpiredError: If it was removed.
        """
        raise NotImplementedError

    def list(
        self,
        owner: str,
        states: Iterable[JobState] = (),
        after: str | None = None,
        limit: int = 50,
    ) -> JobPage:
        """The jobs of a key, newest first.

        Args:
            owner: Name of the key.
            states: Only jobs in these states; all by default.
            after: ``next_cursor`` of the part before.
            limit: Most jobs of one part.

        Raises:
            ConfigurationError: If ``after`` is not such a cursor, or ``limit`` below 1.
        """
        raise NotImplementedError

    def cancel(self, owner: str, job_id: str) -> Job:
        """Stop a job, in the middle of a page if need be; pages that were stored stay.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
            JobEndedError: If it has ended.
        """
        raise NotImplementedError

    def delete(self, owner: str, job_id: str) -> None:
        """Stop a job and remove all of it, its document included.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        raise NotImplementedError

    def wait(self, owner: str, job_id: str, version: int, seconds: float) -> Job:
        """The job as soon as its version is above ``version``, or after so many seconds.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        raise NotImplementedError

    def add_listener(self, listener: Callable[[str], object]) -> None:
        """Call a function with a job's id whenever the job has changed, after it was stored.

        It is called in any thread and must be quick.
        """
        raise NotImplementedError

    def remove_listener(self, listener: Callable[[str], object]) -> None:
        """Stop calling a function; does nothing if it is not called."""
        raise NotImplementedError

    # --- pages and results ----------------------------------------------------------------

    def pages(
        self, owner: str, job_id: str, after_sequence: int = 0, limit: int | None = None
    ) -> tuple[StoredPage, ...]:
        """Finished pages in the order in which they were stored, also while the job runs.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        raise NotImplementedError

    def pages_in_order(self, owner: str, job_id: str) -> Iterator[StoredPage]:
        """Finished pages by number, a few in memory at a time.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`, at once.
        """
        raise NotImplementedError

    def page(self, owner: str, job_id: str, number: int) -> StoredPage:
        """A finished page by its number.

        Raises:
            JobNotFoundError: Also if this page is not finished.
            JobExpiredError: As :meth:`get`.
        """
        raise NotImplementedError

    def document_file(self, owner: str, job_id: str) -> Path:
        """The file of a job's document, to read it.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        raise NotImplementedError

    def picture(self, owner: str, job_id: str, number: int, long_side: int = 1280) -> bytes:
        """A page as a PNG file, drawn in a process of its own.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
            SourceError: If the page cannot be drawn.
        """
        raise NotImplementedError

    # --- callbacks ------------------------------------------------------------------------

    def due_callbacks(self, limit: int = 50) -> tuple[DueCallback, ...]:
        """Ends of jobs that have to be reported now, the longest due first."""
        raise NotImplementedError

    def callback_done(self, job_id: str) -> None:
        """The end of a job was reported, or will never be."""
        raise NotImplementedError

    def callback_failed(self, job_id: str, retry_at: float) -> None:
        """The report failed; it is due again at ``retry_at``, seconds since 1970."""
        raise NotImplementedError

    # --- operations -----------------------------------------------------------------------

    def stats(self) -> QueueStats:
        """Figures for monitoring."""
        raise NotImplementedError

    def ready(self) -> Readiness:
        """Whether pages can be read now."""
        raise NotImplementedError
