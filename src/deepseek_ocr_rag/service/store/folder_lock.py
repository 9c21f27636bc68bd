"""Lets only one process own a data folder: :class:`FolderLock`."""

from __future__ import annotations

import os
from pathlib import Path

from ...concurrency.file_lock import lock_file
from ...errors import StoreInUseError
from ...reading.cache_folder import make_private
from .database import store_errors

__all__ = ["FolderLock"]


class FolderLock:
    """Holds a folder for this process; the system frees it if the process is killed.

    Raises:
        StoreInUseError: If another process holds it.
        StoreError: If the folder cannot be made, or belongs to another user.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        with store_errors(str(folder)):
            make_private(folder)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock_file(self._file)
        except OSError as error:
            os.lseek(self._file, 0, os.SEEK_SET)
            owner = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StoreInUseError(
                f"the data folder is used by another service (process {owner or 'unknown'})",
                source=str(folder),
                remedy="Stop that one, or start this one with another folder.",
            ) from error
        with store_errors(str(folder)):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, str(os.getpid()).encode("ascii"))

    def close(self) -> None:
        """Free the folder. A second call does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
