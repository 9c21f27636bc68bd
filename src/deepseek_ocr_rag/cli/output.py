"""Prints results to standard output, and notes for a person to standard error.

All output to a terminal passes through here: results, notes, errors, the progress bar, usage, log
lines, warnings and tracebacks. Only here are characters replaced that a terminal would obey; any
text may come from a document, its name, a server or a library.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import IO

from ..interface_words import command_words
from ..text.visible import visible

__all__ = [
    "notes_from_log",
    "print_note",
    "print_notes",
    "print_output",
    "print_tracebacks",
    "write_over",
    "write_visibly",
]


def write_visibly(stream: IO[str], text: str) -> None:
    """Write text at once, without characters that a terminal would obey."""
    stream.write(visible(text))
    stream.flush()


def print_output(text: str, end: str = "\n") -> None:
    """Print a result."""
    write_visibly(sys.stdout, f"{text}{end}")


def print_note(text: str) -> None:
    """Print a note for a person; further lines are indented, so that none looks like a note."""
    indented = command_words(text).replace("\n", "\n       ")
    write_visibly(sys.stderr, f"dsocr: {indented}\n")


def write_over(text: str, width: int) -> None:
    """Overwrite the last line for a person, which was ``width`` characters long."""
    sys.stderr.write("\r")
    write_visibly(sys.stderr, text.ljust(width))


def print_notes(texts: Sequence[str]) -> None:
    """Print each text as a note."""
    for text in texts:
        print_note(text)


def print_tracebacks() -> None:
    """Print the tracebacks of unexpected errors visibly too, in all threads."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        write_visibly(sys.stderr, "".join(traceback.format_exception(kind, error, trace)))

    sys.excepthook = show
    threading.excepthook = lambda args: show(args.exc_type, args.exc_value, args.exc_traceback)


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_note(record.getMessage())


@contextmanager
def notes_from_log(level: int = logging.INFO) -> Iterator[None]:
    """Print the package's log lines, and all warnings, as notes while the context lasts.

    The same applies to other libraries' warnings that have no logging set up. Lines below ``level``
    are not printed, and warnings only if ``level`` is at most WARNING.
    """
    logger, handler = logging.getLogger("deepseek_ocr_rag"), _NoteHandler()
    before, last_resort = logger.level, logging.lastResort
    logging.lastResort = _NoteHandler(max(level, logging.WARNING))
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default" if level <= logging.WARNING else "ignore", UserWarning)
            warnings.showwarning = lambda message, *_, **__: print_note(str(message))
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logging.lastResort = last_resort
