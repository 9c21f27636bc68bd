"""Removes what has expired: :class:`Retention`."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from typing import Final

from ...errors import ServiceError
from .database import Database
from .job_rows import expired_jobs, remove_job
from .uploads import UploadStore

__all__ = ["Retention"]

LOOK_SECONDS: Final = 30.0
AT_ONCE: Final = 50
"""Jobs that are removed in one transaction; few, so that other writers wait only briefly."""

_DAY: Final = 86_400.0

_log = logging.getLogger("deepseek_ocr_rag")


class Retention:
    """A thread that removes expired jobs, uploads and tombstones.

    Args:
        database: Where they are.
        uploads: The files.
        tombstone_days: Days for which a removed job is remembered.
    """

    def __init__(self, database: Database, uploads: UploadStore, tombstone_days: float) -> None:
        self._database = database
        self._uploads = uploads
        self._tombstone_seconds = tombstone_days * _DAY
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dsocr-retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def remove_expired(self) -> None:
        """Remove what has expired."""
        now = time.time()
        while ids := self._database.read(lambda each: expired_jobs(each, now, AT_ONCE)):
            self.remove(ids)
        self._uploads.remove_expired(now)
        before = now - self._tombstone_seconds
        self._database.write(
            lambda each: each.execute("DELETE FROM tombstones WHERE removed < ?", (before,))
        )
        # Passwords of ended jobs that could not be removed from the journal at once.
        self._database.forget_deleted()

    def remove(self, ids: list[str]) -> None:
        """Remove jobs, and their files unless others need them."""

        def remove(connection: sqlite3.Connection) -> list[str]:
            now = time.time()
            return [sha256 for each in ids for sha256 in remove_job(connection, each, now)]

        # The rows first: the next start finds a file without a row, but not a row without a file.
        self._uploads.release(self._database.write(remove))
        self._database.forget_deleted()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.remove_expired()
            except ServiceError as error:
                _log.warning("expired results could not be removed: %s", error)
            self._closing.wait(LOOK_SECONDS)
