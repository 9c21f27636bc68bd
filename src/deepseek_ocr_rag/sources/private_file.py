"""Makes a temporary file for the copy of a document that no other program can find by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

__all__ = ["FileIdentity", "PrivateFile", "identity_of"]

NAMELESS = sys.platform == "linux"
"""Whether the file needs no name, because ``/proc`` leads to the files that a process has open."""

FileIdentity = Sequence[int]
"""Device and inode number of a file: no two files have the same."""


class PrivateFile:
    """A temporary file, removed when it is closed.

    On Linux it has no name and disappears with this process, even if that is killed; other
    processes of this user open it through ``/proc``. Elsewhere it is in its own folder, which only
    this user may open. ``file`` is open for writing.

    Raises:
        OSError: If there is no folder for temporary files, or no space in it.
    """

    def __init__(self) -> None:
        # Imported late: the processes that draw pages make no files.
        import tempfile

        self._folder: TemporaryDirectory[str] | None = None
        self._named: Path | None = None
        if NAMELESS:
            self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
            if self.path.exists():
                return
            self.file.close()  # /proc is not mounted
        self._folder = tempfile.TemporaryDirectory(prefix="deepseek-ocr-")
        self._named = Path(self._folder.name) / "document"
        self.file = self._named.open("w+b")

    @property
    def path(self) -> Path:
        """The path by which this process and its children open it; a forked copy has another."""
        return self._named or Path(f"/proc/{os.getpid()}/fd/{self.file.fileno()}")

    def close(self) -> None:
        """Remove the file; processes that have opened it can still read it."""
        with suppress(OSError):  # after a failed write, flushing fails too
            self.file.close()
        if self._folder is not None:
            with suppress(OSError):  # Windows refuses while a reader is still open
                self._folder.cleanup()


def identity_of(path: Path) -> FileIdentity:
    """Return the identity of the file at a path."""
    status = path.stat()
    return status.st_dev, status.st_ino
