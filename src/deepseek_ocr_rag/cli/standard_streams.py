"""Standard input, output and error, which may be closed, full, or without a reader.

A stream that is closed when the program starts (``>&-``) has no object in Python, and its descriptor
goes to the next file that is opened, into which libraries would then print. Text that cannot be
printed to standard error is dropped; only the exit code is left to report the problem.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast

from ..errors import SourceError

__all__ = ["discard_output", "output_error", "report", "standard_streams"]


@contextmanager
def standard_streams() -> Iterator[None]:
    """Replace unusable streams while the context lasts."""
    _occupy_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    for stream, errors in ((before[0], "replace"), (before[1], "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            # Escape characters that the terminal cannot show, instead of failing on them.
            stream.reconfigure(errors=errors)
    sys.stdin = before[0] if before[0] is not None else cast("TextIO", _ClosedInput())
    sys.stdout = cast("TextIO", _Output(before[1]))
    sys.stderr = cast("TextIO", _Notes(before[2]))
    try:
        yield
    finally:
        if before[2] is not None and not _flushed(before[2]):
            _redirect(before[2])
        sys.stdin, sys.stdout, sys.stderr = before


def output_error() -> OSError | None:
    """Why standard output could not be written; None if all of it was."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return getattr(sys.stdout, "error", None)


def discard_output() -> None:
    """Discard what is still buffered for standard output; Python would fail on it at exit."""
    _redirect(sys.stdout)


def report(text: str) -> None:
    """Print a note of ours to standard error."""
    sys.stderr.write(f"dsocr: {text}\n")
    sys.stderr.flush()


class _ClosedInput(io.TextIOBase):
    """Standard input that was closed when the program started."""

    def read(self, size: int | None = -1) -> str:
        raise SourceError(
            "standard input is closed", source="-", remedy="Name a file, or pipe one in."
        )

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return self.read()


class _Stream(ABC):
    """Wraps a stream and changes only how it writes."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @abstractmethod
    def write(self, text: str) -> int: ...

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream if self._stream is not None else io.StringIO(), name)


class _Output(_Stream):
    """Standard output that remembers why it could not be written."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        with self._noted():
            if self._stream is None:
                raise OSError(errno.EBADF, "it is closed")
            return self._stream.write(text)

    def flush(self) -> None:
        with self._noted():
            if self._stream is not None:
                self._stream.flush()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            raise


class _Notes(_Stream):
    """Standard error that never fails; drops everything if it is closed."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            if self._stream is not None:
                self._stream.flush()


def _occupy_descriptors() -> None:
    """Occupy the numbers of closed streams with the null device."""
    while (taken := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(taken, True)
    os.close(taken)


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _redirect(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to the null device."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
