"""The bytes of a document, in a file or in memory."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...errors import CorruptSourceError, LimitExceededError, SourceError, SourceNotFoundError
from ..limits import Limits

__all__ = ["Content", "too_large"]

_MEMORY_BYTES = 16 * 1024 * 1024
"""A stream up to this size is kept in memory, a larger one in a temporary file."""

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A document's bytes. Exactly one of ``path`` and ``data`` is set.

    A file is never read into memory as a whole.
    """

    name: str  # what to call the document in messages
    size: int  # bytes
    path: Path | None = None
    data: bytes | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None  # holds ``path``, if we made one

    @classmethod
    def from_stream(cls, name: str, chunks: Iterable[bytes], limits: Limits) -> Content:
        """Keep a stream in memory as long as it is small, otherwise in a temporary file."""
        size = 0
        folder: tempfile.TemporaryDirectory[str] | None = None
        sink: BinaryIO = io.BytesIO()
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > limits.file_bytes:
                    raise too_large(name, f"more than {limits.file_bytes:,}", limits)
                with _disk_errors(name):
                    if folder is None and size > _MEMORY_BYTES:
                        folder = tempfile.TemporaryDirectory(prefix="deepseek-ocr-")
                        sink = _moved_to_file(sink, Path(folder.name) / "document")
                    sink.write(chunk)
            with _disk_errors(name):
                sink.flush()
        except BaseException:
            # What could not be written cannot be flushed either.
            with suppress(OSError):
                sink.close()
            if folder is not None:
                folder.cleanup()
            raise
        if folder is None:
            sink.seek(0)
            return cls(name, size, data=sink.read())
        sink.close()
        return cls(name, size, path=Path(folder.name) / "document", folder=folder)

    def open(self) -> io.BufferedReader | io.BytesIO:
        """Open the bytes as a new binary file object."""
        if self.path is None:
            return io.BytesIO(self.data or b"")
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceNotFoundError(
                f"the file cannot be opened ({error.strerror})",
                source=self.name,
                remedy="Check that it is still there and that you may read it.",
            ) from error

    def ends(self, length: int) -> tuple[bytes, bytes]:
        """The first and the last ``length`` bytes."""
        with self.open() as file:
            try:
                head = file.read(length)
                file.seek(max(0, self.size - length))
                return head, file.read(length)
            except OSError as error:
                raise CorruptSourceError(
                    f"the file cannot be read ({error.strerror})",
                    source=self.name,
                    remedy="Check the disk or the network share that it is on.",
                ) from error

    def sha256(self) -> str:
        """Hash of all bytes, 64 hex digits."""
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self.folder is not None:
            # Windows refuses while a reader is still open.
            with suppress(OSError):
                self.folder.cleanup()


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"it is too large for memory and cannot be written to {tempfile.gettempdir()} "
            f"({error.strerror})",
            source=name,
            remedy="Free some space there, set TMPDIR, or pass the path of a file.",
        ) from error


def _moved_to_file(memory: BinaryIO, path: Path) -> BinaryIO:
    file = path.open("wb")
    memory.seek(0)
    shutil.copyfileobj(memory, file)
    return file


def too_large(name: str, size: str, limits: Limits) -> LimitExceededError:
    """The error for a file that is too large; ``size`` is its size as text."""
    return LimitExceededError(
        f"the file has {size} bytes and the limit is {limits.file_bytes:,}",
        source=name,
        remedy="Split it, or raise Limits(file_bytes=...).",
    )
