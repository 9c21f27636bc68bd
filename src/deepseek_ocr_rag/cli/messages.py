"""What ``dsocr`` says beside its output: lines on standard error."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..text.visible import visible

__all__ = ["plain_notes", "say", "say_all"]


def say(text: str) -> None:
    """One line for a person."""
    sys.stderr.write(f"dsocr: {visible(text)}\n")
    sys.stderr.flush()


def say_all(texts: Sequence[str]) -> None:
    """A line for each."""
    for text in texts:
        say(text)


class _Notes(logging.Handler):
    """What the package logs (which backend "auto" chose, and why), as a line for a person."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def plain_notes() -> Iterator[None]:
    """Show log lines and warnings as one line for a person, not as two for a programmer."""
    logger, notes = logging.getLogger("deepseek_ocr_rag"), _Notes()
    level = logger.level
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: say(str(message))
            yield
    finally:
        logger.removeHandler(notes)
        logger.setLevel(level)
