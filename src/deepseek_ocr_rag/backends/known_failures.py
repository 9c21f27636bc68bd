"""Finds known failures, and what to do about them, in the text of an error or a log."""

from __future__ import annotations

from typing import Final

from .failure_table import PUBLISHED_FAILURES
from .known_failure import KnownFailure
from .local.kernel_failures import KERNEL_FAILURES

__all__ = [
    "KNOWN_FAILURES",
    "LONGEST_TEXT",
    "KnownFailure",
    "failure_named",
    "known_failures",
    "remedy_for",
]

KNOWN_FAILURES: Final = (*KERNEL_FAILURES, *PUBLISHED_FAILURES)
"""Each failure that we know, the most specific first."""

LONGEST_TEXT: Final = 2**20
"""Only this many characters are searched, at the end of a log, where the error is."""


def known_failures(text: str) -> tuple[KnownFailure, ...]:
    """Find the known failures in the text of an error or a log, the most specific first."""
    end = text[-LONGEST_TEXT:]
    return tuple(failure for failure in KNOWN_FAILURES if failure.explains(end))


def remedy_for(message: str) -> str | None:
    """Return what to do about an error; None if it is not a known failure."""
    found = known_failures(message)
    return found[0].cure if found else None


def failure_named(name: str) -> KnownFailure:
    """Return the known failure with this name.

    Raises:
        KeyError: If there is none.
    """
    return {failure.name: failure for failure in KNOWN_FAILURES}[name]
