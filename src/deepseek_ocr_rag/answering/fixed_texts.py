"""Fixed texts that an answer may contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["NOT_FOUND", "NO_WORD", "UNSUPPORTED", "nearest_line", "no_page_has", "quoted_line"]

NOT_FOUND: Final = "This is not in these documents."
"""What a language model is to reply if the sources do not have the answer."""

NO_WORD: Final = "No page has a word of this question."
"""The whole text of an answer if the search found nothing."""

UNSUPPORTED: Final = "[unsupported]"
"""Follows a sentence of an answer that its sources do not support."""


MOST_LISTED: Final = 3
"""Most unread parts to name in a sentence; the rest are counted."""


def no_page_has(names: Sequence[str], unread: Sequence[str]) -> str:
    """The whole text of an answer if the question names something that is on no page.

    Args:
        names: The names.
        unread: What was not read, and so not searched: "pictures on page 3".
    """
    if not unread:
        return f"This is not in these documents: no page has {_listed(names)}."
    shown = ", ".join(unread[:MOST_LISTED])
    more = f" and {len(unread) - MOST_LISTED} more" if len(unread) > MOST_LISTED else ""
    return (
        f"This is not in what was read of these documents: nothing in it has {_listed(names)}."
        f" Not read: {shown}{more}."
    )


def quoted_line(missing: Sequence[str], *, all_read: bool) -> str:
    """The line above quotes that answer a question; ``missing`` are its words that are on no page."""
    lacking = f"; {_lacking(missing, all_read)}" if missing else ""
    return f"Quoted from the documents (no language model was asked{lacking}):"


def nearest_line(missing: Sequence[str], *, all_read: bool) -> str:
    """The line above quotes that may not be about the question; ``missing`` as above."""
    lacking = f" ({_lacking(missing, all_read)})" if missing else ""
    return f"No sentence says this in these words{lacking}; the nearest passages:"


def _lacking(words: Sequence[str], all_read: bool) -> str:
    return f"{'no page' if all_read else 'nothing that was read'} has {_listed(words)}"


def _listed(words: Sequence[str]) -> str:
    return " or ".join(f"“{word}”" for word in words)
