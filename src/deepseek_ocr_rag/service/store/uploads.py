"""Documents that were sent: :class:`UploadStore`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from ...errors import QuotaError, UploadError, UploadTooLargeError
from ..jobs import LONGEST_NAME, Upload
from ..service_limits import ServiceLimits
from .database import Database
from .upload_files import UploadFiles
from .upload_rows import (
    add_upload,
    delete_upload,
    expired_uploads,
    fill_upload,
    find_upload,
    is_needed,
    list_uploads,
    owned_bytes,
)

__all__ = ["UploadStore"]

_HOUR: Final = 3600.0


class UploadStore:
    """Uploads: rows of the database, and files named by their content. Threads may share one.

    Args:
        folder: The data folder.
        database: Its database.
        limits: How much may be stored.
    """

    def __init__(self, folder: Path, database: Database, limits: ServiceLimits) -> None:
        self._database = database
        self._limits = limits
        self._files = UploadFiles(folder, limits.free_bytes)
        # A file whose row was not stored before the process ended belongs to nobody.
        database.write(lambda connection: self._release(connection, list(self._files.stored())))

    def add(self, owner: str, name: str, media_type: str) -> Upload:
        """Announce an upload; raises QuotaError if the key has no space left."""
        now = time.time()
        times = now, now + self._limits.upload_hours * _HOUR

        def add(connection: sqlite3.Connection) -> Upload:
            self._space_of(connection, owner, name)
            return add_upload(connection, owner, name[:LONGEST_NAME], media_type, times)

        return self._database.write(add)

    def write(self, owner: str, upload_id: str, chunks: Iterable[bytes]) -> Upload:
        """Store its content; see :meth:`JobQueue.write_upload`."""
        upload = self.find(owner, upload_id)
        if upload.sha256 is not None:
            raise UploadError(
                "the upload has its content already",
                source=upload.name,
                remedy="Make a new upload for another document.",
            )
        space = self._database.read(lambda each: self._space_of(each, owner, upload.name))
        most = min(self._limits.upload_bytes, space)
        try:
            file = self._files.receive(chunks, upload.name, most)
        except UploadTooLargeError as error:
            if space < self._limits.upload_bytes:
                raise _no_space(upload.name) from error
            raise
        try:

            def fill(connection: sqlite3.Connection) -> Upload:
                filled = fill_upload(connection, upload, file.sha256, file.size)
                if owned_bytes(connection, owner) > self._limits.owner_bytes:
                    raise _no_space(upload.name)
                # In the same step as the row, so that nobody removes the file in between.
                self._files.keep(file)
                return filled

            return self._database.write(fill)
        finally:
            self._files.discard(file.path)

    def find(self, owner: str, upload_id: str) -> Upload:
        """An upload of a key; raises JobNotFoundError."""
        return self._database.read(lambda each: find_upload(each, owner, upload_id))

    def list(self, owner: str) -> tuple[Upload, ...]:
        """The uploads of a key that have content."""
        return self._database.read(lambda each: list_uploads(each, owner))

    def file(self, sha256: str) -> Path:
        """Where a document is."""
        return self._files.path(sha256)

    def delete(self, owner: str, upload_id: str) -> None:
        """Remove an upload; raises JobNotFoundError."""

        def delete(connection: sqlite3.Connection) -> None:
            find_upload(connection, owner, upload_id)
            sha256 = delete_upload(connection, upload_id)
            self._release(connection, [] if sha256 is None else [sha256])

        self._database.write(delete)

    def remove_expired(self, now: float) -> None:
        """Remove uploads whose time is over; their files stay while jobs need them."""

        def remove(connection: sqlite3.Connection) -> None:
            hashes = map(partial(delete_upload, connection), expired_uploads(connection, now))
            self._release(connection, [each for each in hashes if each is not None])

        if self._database.read(lambda each: expired_uploads(each, now)):
            self._database.write(remove)

    def release(self, hashes: Iterable[str]) -> None:
        """Remove files that nobody needs any more."""
        self._database.write(lambda connection: self._release(connection, hashes))

    def _release(self, connection: sqlite3.Connection, hashes: Iterable[str]) -> None:
        for sha256 in hashes:
            if not is_needed(connection, sha256):
                self._files.discard(self._files.path(sha256))

    def _space_of(self, connection: sqlite3.Connection, owner: str, name: str) -> float:
        space = self._limits.owner_bytes - owned_bytes(connection, owner)
        if space <= 0:
            raise _no_space(name)
        return space


def _no_space(name: str) -> QuotaError:
    return QuotaError(
        "the documents of this key would take more space than they may",
        source=name,
        remedy="Delete finished jobs.",
    )
