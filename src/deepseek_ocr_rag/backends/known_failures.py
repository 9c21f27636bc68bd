"""From the words of an error to what helps."""

from __future__ import annotations

from typing import Final

from .failure_table import KNOWN_FAILURES, KnownFailure

__all__ = [
    "KNOWN_FAILURES",
    "LONGEST_TEXT",
    "KnownFailure",
    "failure_named",
    "known_failures",
    "remedy_for",
]

LONGEST_TEXT: Final = 2**20
"""Characters of a log that are looked at; its end tells what went wrong."""


def known_failures(text: str) -> tuple[KnownFailure, ...]:
    """The failures that the text of an error or a log shows, the most telling first."""
    end = text[-LONGEST_TEXT:]
    return tuple(failure for failure in KNOWN_FAILURES if failure.explains(end))


def remedy_for(message: str) -> str | None:
    """What helps against an error; None where it is not known.

    Example:
        >>> remedy_for("ImportError: cannot import name 'LlamaFlashAttention2'")[:22]
        'Install transformers 4'
        >>> remedy_for("something new")
    """
    found = known_failures(message)
    return found[0].cure if found else None


def failure_named(name: str) -> KnownFailure:
    """The known failure of that name.

    Raises:
        KeyError: If there is none.
    """
    return {failure.name: failure for failure in KNOWN_FAILURES}[name]
