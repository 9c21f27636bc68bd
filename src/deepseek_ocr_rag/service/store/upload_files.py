"""The files of uploads, named by their content: :class:`UploadFiles`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import StoreFullError, UploadError, UploadTooLargeError
from .database import store_errors

__all__ = ["IncomingFile", "UploadFiles"]

_CHECK_BYTES: Final = 8 * 2**20
"""Bytes after which the free space is checked again."""


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that is complete and on the disk, but not yet under its final name."""

    path: Path
    sha256: str
    size: int


class UploadFiles:
    """The folders for documents that are coming in, and for complete ones.

    Args:
        folder: The data folder.
        free_bytes: Bytes that uploads leave free.

    Raises:
        StoreError: If the folders cannot be made.
    """

    def __init__(self, folder: Path, free_bytes: float) -> None:
        self._folder = folder / "uploads"
        self._incoming = folder / "incoming"
        self._free_bytes = free_bytes
        with store_errors(str(folder)):
            # Files that an earlier process left incomplete belong to no upload.
            shutil.rmtree(self._incoming, ignore_errors=True)
            for each in (self._folder, self._incoming):
                each.mkdir(mode=0o700, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a document is."""
        return self._folder / sha256[:2] / sha256

    def receive(self, chunks: Iterable[bytes], name: str, most: float) -> IncomingFile:
        """Write a document as it comes; nothing is left if that fails.

        Raises:
            UploadTooLargeError: If there are more than ``most`` bytes.
            UploadError: If there are none.
            StoreFullError: If there is no space left.
        """
        with store_errors(str(self._incoming)):
            handle, path = tempfile.mkstemp(dir=self._incoming)
        try:
            digest, size = hashlib.sha256(), 0
            with os.fdopen(handle, "wb", buffering=0) as file:
                for chunk in chunks:
                    if size // _CHECK_BYTES != (size + len(chunk)) // _CHECK_BYTES or not size:
                        self._check_space(len(chunk))
                    size += len(chunk)
                    if size > most:
                        raise UploadTooLargeError(
                            f"the document is larger than {int(most):,} bytes",
                            source=name,
                            remedy="Split it into several documents.",
                        )
                    digest.update(chunk)
                    with store_errors(str(self._incoming)):
                        left = memoryview(chunk)
                        while left:
                            left = left[file.write(left) or 0 :]
                with store_errors(str(self._incoming)):
                    os.fsync(file.fileno())
            if not size:
                raise UploadError(
                    "the upload is empty", source=name, remedy="Send the document's bytes."
                )
            return IncomingFile(Path(path), digest.hexdigest(), size)
        except BaseException:
            self.discard(Path(path))
            raise

    def keep(self, file: IncomingFile) -> None:
        """Give a complete file its final name, so that a power cut cannot undo it."""
        target = self.path(file.sha256)
        with store_errors(str(self._folder)):
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700)
                _sync_folder(self._folder)
            file.path.replace(target)
            _sync_folder(target.parent)

    def discard(self, path: Path) -> None:
        """Remove a file that is not wanted."""
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def stored(self) -> Iterator[str]:
        """The hashes of all complete documents."""
        for folder in self._folder.iterdir():
            yield from (path.name for path in folder.iterdir())

    def _check_space(self, wanted: int) -> None:
        with store_errors(str(self._folder)):
            free = shutil.disk_usage(self._folder).free
        if free - wanted < self._free_bytes:
            error = StoreFullError(
                "there is too little space left on the disk for another document",
                source=str(self._folder),
                remedy="Make space or delete finished jobs, then try again.",
            )
            error.retry_after = 60.0
            raise error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
