"""Holds the bytes of a document in a private file or in memory, safe from other programs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...errors import CorruptSourceError, LimitExceededError, SourceError, SourceNotFoundError
from ..limits import Limits
from ..private_file import FileIdentity, PrivateFile, identity_of

__all__ = ["Content", "too_large"]

_MEMORY_BYTES = 16 * 1024 * 1024
"""A document up to this size is kept in memory, a larger one in a temporary file."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A document's bytes. Exactly one of ``file`` and ``data`` is set.

    A large document is never in memory as a whole. The bytes are a copy: if another program
    replaces or changes the user's file meanwhile, all pages still come from the bytes with this
    hash.
    """

    name: str  # of the document, for messages
    size: int  # bytes
    file: PrivateFile | Path | None = None  # a path in a process that did not make the copy
    data: bytes | None = None
    digest: str | None = None  # SHA-256, 64 hex digits, if it is known already

    @classmethod
    def from_stream(cls, name: str, chunks: Iterable[bytes], limits: Limits) -> Content:
        """Copy a stream into memory if it is small, otherwise into a temporary file.

        Raises:
            LimitExceededError: If it is larger than the limit.
            SourceError: If it cannot be written to the temporary file.
        """
        # Imported late: a process that draws pages makes no copies.
        import hashlib

        size = 0
        digest = hashlib.sha256()
        memory = io.BytesIO()
        sink: BinaryIO = memory
        file: PrivateFile | None = None
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > limits.file_bytes:
                    raise too_large(name, f"more than {limits.file_bytes:,}", limits)
                digest.update(chunk)
                with _disk_errors(name):
                    if file is None and size > _MEMORY_BYTES:
                        file = PrivateFile()
                        sink = file.file
                        sink.write(memory.getbuffer())
                        memory = io.BytesIO()
                    sink.write(chunk)
            with _disk_errors(name):
                sink.flush()
        except BaseException:
            if file is not None:
                file.close()
            raise
        data = memory.getvalue() if file is None else None
        return cls(name, size, file=file, data=data, digest=digest.hexdigest())

    @property
    def path(self) -> Path | None:
        """The path by which the file can be opened; None for bytes in memory."""
        return self.file.path if isinstance(self.file, PrivateFile) else self.file

    @property
    def identity(self) -> FileIdentity | None:
        """The identity of the file at :attr:`path`; None for bytes in memory."""
        return None if self.path is None else identity_of(self.path)

    def open(self) -> io.BufferedReader | io.BytesIO:
        """Open the bytes as a new binary file object."""
        if self.path is None:
            return io.BytesIO(self.data or b"")
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceNotFoundError(
                f"cannot open the file ({error.strerror})",
                source=self.name,
                remedy="Check that it is still there and that you may read it.",
            ) from error

    def ends(self, length: int) -> tuple[bytes, bytes]:
        """Read the first and the last ``length`` bytes."""
        with self.open() as file:
            try:
                head = file.read(length)
                file.seek(max(0, self.size - length))
                return head, file.read(length)
            except OSError as error:
                raise CorruptSourceError(
                    f"cannot read the file ({error.strerror})",
                    source=self.name,
                    remedy="Check the disk or the network share that it is on.",
                ) from error

    def sha256(self) -> str:
        """Compute the hash of all bytes, 64 hex digits."""
        if self.digest is not None:
            return self.digest
        import hashlib

        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if isinstance(self.file, PrivateFile):
            self.file.close()


@contextmanager
def _disk_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"it is too large for memory and cannot be written to {_temporary_folder()} "
            f"({error.strerror})",
            source=name,
            remedy="Free some space there, or set TMPDIR to a folder with more.",
        ) from error


def _temporary_folder() -> str:
    from tempfile import gettempdir

    try:
        return gettempdir()
    except OSError:
        return "the folder for temporary files"


def too_large(name: str, size: str, limits: Limits) -> LimitExceededError:
    """Make the error for a file that is too large; ``size`` is its size as text."""
    return LimitExceededError(
        f"the file has {size} bytes and the limit is {limits.file_bytes:,}",
        source=name,
        remedy="Split it, or raise Limits(file_bytes=...).",
    )
