"""Prints results to standard output, and notes for a person to standard error."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..text.visible import visible

__all__ = ["notes_from_log", "print_note", "print_notes", "print_output"]


def print_output(text: str, end: str = "\n") -> None:
    """Print a result at once; untrusted text must have gone through ``visible``."""
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()


def print_note(text: str) -> None:
    """Print a line for a person."""
    sys.stderr.write(f"dsocr: {visible(text)}\n")
    sys.stderr.flush()


def print_notes(texts: Sequence[str]) -> None:
    """Print each text as a note."""
    for text in texts:
        print_note(text)


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_note(record.getMessage())


@contextmanager
def notes_from_log() -> Iterator[None]:
    """Print the package's log lines and warnings as notes while the context lasts."""
    logger, handler = logging.getLogger("deepseek_ocr_rag"), _NoteHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: print_note(str(message))
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
