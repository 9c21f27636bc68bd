"""Fixed texts that an answer may contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["NOT_FOUND", "NO_WORD", "QUOTED", "UNSUPPORTED", "nearest_line", "no_page_has"]

NOT_FOUND: Final = "This is not in these documents."
"""What a language model is to reply if the sources do not have the answer."""

NO_WORD: Final = "No page has a word of this question."
"""The whole text of an answer if the search found nothing."""

QUOTED: Final = "Quoted from the documents (no language model was asked):"
"""Stands above quotes that have the words of the question."""

UNSUPPORTED: Final = "[unsupported]"
"""Stands in an answer's text behind a sentence that its sources do not support."""


def no_page_has(names: Sequence[str], *, all_read: bool) -> str:
    """The whole text of an answer if the question names what no page has."""
    read = "" if all_read else " that could be read"
    return f"This is not in these documents: no page{read} has {_listed(names)}."


def nearest_line(missing: Sequence[str], *, all_read: bool) -> str:
    """Stands above quotes that may not be about the question; ``missing`` are words of it."""
    read = "" if all_read else " that could be read"
    known = f" (no page{read} has {_listed(missing)})" if missing else ""
    return f"No sentence says this in these words{known}; the nearest passages:"


def _listed(words: Sequence[str]) -> str:
    return " or ".join(f"“{word}”" for word in words)
