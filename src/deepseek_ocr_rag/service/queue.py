"""The interface to the service's jobs, and all that the HTTP layer uses: :class:`JobQueue`."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ..errors import (
    EngineFailedError,
    JobEndedError,
    ServiceClosingError,
    UploadError,
)
from ..reading.reader import Reader
from .correcting.correctable_queue import CorrectableQueue
from .engine.dispatcher import Dispatcher
from .jobs import (
    DueCallback,
    Job,
    JobOptions,
    QueueStats,
    Readiness,
    Upload,
)
from .listeners import Listeners
from .service_limits import ReaderSettings, ServiceLimits
from .store.callback_rows import callback_done, callback_failed, due_callbacks
from .store.database import Database
from .store.folder_lock import FolderLock
from .store.job_rows import (
    Submission,
    add_job,
    cancel_job,
    count_states,
    same_request,
)
from .store.job_values import job_of, options_json
from .store.queue_order import QueueOrder
from .store.retention import Retention
from .store.upload_rows import stored_bytes
from .store.uploads import UploadStore

__all__ = ["JobQueue"]

_DAY: Final = 86_400.0


class JobQueue(CorrectableQueue):
    """Jobs that survive crashes and restarts, and the one process that reads them.

    Threads may share one. The methods block only for a moment, except :meth:`wait`,
    :meth:`write_upload`, :meth:`picture` and :meth:`drain`. An ``owner`` is the name of a key;
    what belongs to another key is not found.

    Args:
        folder: Where everything is stored; created for its owner alone.
        reader_settings: How to read.
        limits: How much clients may ask for.

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
        self._limits = limits or ServiceLimits()
        self._settings = reader_settings or ReaderSettings()
        path = Path(folder).expanduser().absolute()
        self._lock = FolderLock(path)
        try:
            self._database = Database(path / "jobs.sqlite3")
            self._uploads = UploadStore(path, self._database, self._limits)
        except BaseException:
            self._lock.close()
            raise
        self._listeners = Listeners()
        self._dispatcher = Dispatcher(
            self._database, self._settings, self._limits, self._uploads.file, self._listeners.tell
        )
        counters = self._dispatcher.counters
        self._order = QueueOrder(self._database, lambda: counters.pages_per_second)
        self._retention = Retention(self._database, self._uploads, self._limits.tombstone_days)
        # This reader only draws pages, and never creates its backend.
        self._drawing = Reader(
            "lite", renderer=self._settings.renderer, limits=self._settings.limits, cache=False
        )
        self._closing = self._closed = False

    def start(self) -> None:
        """Start the reading process, and go on with jobs that are waiting or were interrupted."""
        self._dispatcher.start()
        self._retention.start()

    def drain(self, seconds: float) -> None:
        """Accept no new jobs, and give the pages that are being read this many seconds to finish.

        Jobs that have not finished by then go back into the queue and go on after the next start.
        """
        self._closing = True
        self._dispatcher.drain(seconds)

    def close(self) -> None:
        """End the reading process and free the folder. A second call does nothing."""
        self._closing = True
        if self._closed:
            return
        self._closed = True
        self._retention.close()
        self._dispatcher.close()
        self._drawing.close()
        self._database.close()
        self._lock.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- uploads --------------------------------------------------------------------------

    def new_upload(self, owner: str, name: str, media_type: str) -> Upload:
        """Announce a document.

        Raises:
            QuotaError: If the key may store no more bytes.
            ServiceClosingError: If the service is being stopped.
            StoreError: If it cannot be stored.
        """
        self._check_open()
        return self._uploads.add(owner, name, media_type)

    def write_upload(self, owner: str, upload_id: str, chunks: Iterable[bytes]) -> Upload:
        """Store a document's bytes as they come; nothing is kept unless all bytes come.

        Raises:
            JobNotFoundError: If there is no such upload.
            UploadError: If it has content already, or is empty.
            UploadTooLargeError: If it is larger than an upload may be.
            QuotaError: If the key would have stored more bytes than it may.
            StoreFullError: If there is no space left.
        """
        return self._uploads.write(owner, upload_id, chunks)

    def upload(self, owner: str, upload_id: str) -> Upload:
        """An upload.

        Raises:
            JobNotFoundError: If there is no such upload.
        """
        return self._uploads.find(owner, upload_id)

    def uploads(self, owner: str) -> tuple[Upload, ...]:
        """The uploads of a key that have content, oldest first."""
        return self._uploads.list(owner)

    def upload_file(self, owner: str, upload_id: str) -> Path:
        """The file of an upload's bytes, to read it.

        Raises:
            JobNotFoundError: If there is no such upload.
            UploadError: If it has no content yet.
        """
        return self._uploads.file(_content_of(self._uploads.find(owner, upload_id)))

    def delete_upload(self, owner: str, upload_id: str) -> None:
        """Remove an upload; its bytes stay as long as a job needs them.

        Raises:
            JobNotFoundError: If there is no such upload.
        """
        self._uploads.delete(owner, upload_id)

    # --- jobs -----------------------------------------------------------------------------

    def submit(
        self,
        owner: str,
        upload_id: str,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
        body_digest: str | None = None,
    ) -> Job:
        """Make a job of an upload. When this returns, the job survives crashes and power cuts.

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
        wanted = options or JobOptions()
        upload = self._uploads.find(owner, upload_id)
        content = _content_of(upload)
        digest = body_digest or _digest(content, wanted)
        limits = self._limits.jobs_waiting, self._limits.owner_jobs_waiting

        def add(connection: sqlite3.Connection) -> sqlite3.Row:
            if idempotency_key is not None:
                known = same_request(connection, owner, idempotency_key, digest)
                if known is not None:
                    return known
            self._check_open()
            self._check_engine()
            submission = Submission(upload, wanted, idempotency_key, digest)
            return add_job(connection, submission, limits, time.time())

        row = self._database.write(add)
        self._dispatcher.wake()
        order = self._order.add(row["id"])
        return job_of(row, positions=order.positions, eta=order.eta)

    def cancel(self, owner: str, job_id: str) -> Job:
        """Stop a job, in the middle of a page if need be; pages that were stored stay.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
            JobEndedError: If it has ended.
        """
        now = time.time()
        times = now, now + self._limits.result_days * _DAY
        row = self._database.write(lambda each: cancel_job(each, owner, job_id, times))
        self._dispatcher.cancel(job_id)
        self._database.forget_deleted()
        self._listeners.tell([job_id])
        return self._job(row)

    def delete(self, owner: str, job_id: str) -> None:
        """Stop a job and remove all of it, its document included.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        with suppress(JobEndedError):
            self.cancel(owner, job_id)
        self._retention.remove([job_id])
        self._listeners.tell([job_id])

    # --- callbacks ------------------------------------------------------------------------

    def due_callbacks(self, limit: int = 50) -> tuple[DueCallback, ...]:
        """The ends of jobs that must be reported now, the longest overdue first."""
        return self._database.read(lambda each: due_callbacks(each, time.time(), limit))

    def callback_done(self, job_id: str) -> None:
        """Note that the end of a job was reported, or that nobody will try again."""
        self._database.write(lambda each: callback_done(each, job_id))

    def callback_failed(self, job_id: str, retry_at: float) -> None:
        """Note that the report failed; it is due again at ``retry_at``, in seconds since 1970."""
        self._database.write(lambda each: callback_failed(each, job_id, retry_at))

    # --- operations -----------------------------------------------------------------------

    def remove_expired(self) -> None:
        """Remove everything that has expired; a thread does so every half minute.

        Raises:
            StoreError: If the folder cannot be written.
        """
        self._retention.remove_expired()

    def stats(self) -> QueueStats:
        """Figures for monitoring."""
        counters = self._dispatcher.counters
        return QueueStats(
            jobs=self._database.read(count_states),
            pages_read=counters.pages_read,
            pages_failed=counters.pages_failed,
            attempts=counters.attempts,
            loops=counters.loops,
            page_seconds=counters.page_seconds,
            pages_timed=counters.pages_timed,
            pages_per_second=counters.pages_per_second,
            bytes_stored=self._database.read(stored_bytes),
            engine_starts=counters.engine_starts,
            engine_deaths=counters.engine_deaths,
            engine_pid=self._dispatcher.engine_pid,
            last_event=counters.last_event,
            tokens=counters.tokens,
            tokens_per_second=counters.tokens_per_second,
            gpu_memory=counters.gpu_memory,
        )

    def ready(self) -> Readiness:
        """Whether pages can be read now."""
        return self._dispatcher.readiness()

    def _check_open(self) -> None:
        if self._closing:
            error = ServiceClosingError(
                "the service is being stopped", remedy="Try again when it has been started."
            )
            error.retry_after = 30.0
            raise error

    def _check_engine(self) -> None:
        reason = self._dispatcher.failing
        if reason is not None:
            error = EngineFailedError(
                f"no pages can be read at the moment: {reason}",
                remedy="Try again later; jobs that wait are kept.",
            )
            error.retry_after = 60.0
            raise error


def _content_of(upload: Upload) -> str:
    if upload.sha256 is None:
        raise UploadError(
            "the upload has no content yet", source=upload.name, remedy="Send the document first."
        )
    return upload.sha256


def _digest(sha256: str, options: JobOptions) -> str:
    values = (sha256, options_json(options), options.password or "")
    return hashlib.sha256("\0".join(values).encode("utf-8", "surrogatepass")).hexdigest()
