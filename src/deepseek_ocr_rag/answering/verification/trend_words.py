"""Which way a figure moved: "declined" says what "a decrease" says, and "(0.6)%" says it too."""

from __future__ import annotations

import re
from typing import Final, Literal

from ...text.terms import with_stems
from .table_figures import is_row_of_figures

__all__ = ["Direction", "direction", "directions_of_figures"]

Direction = Literal["up", "down"]

_WORDS: Final[dict[Direction, str]] = {
    "up": "climb grew grow growth grown increase rise risen rose",
    "down": "decline decrease fall fallen fell reduce reduction shrank shrink",
}
_BY_STEM: Final[dict[str, Direction]] = {
    stem: way
    for way, words in _WORDS.items()
    for stem in with_stems(words.split())[len(words.split()) :]
}
_PERCENT: Final = re.compile(r"(\(|(?<![^\s|])[-−–])?\s?[0-9]+(?:[.,][0-9]+)?\s?\)?\s?%")


def direction(term: str) -> Direction | None:
    """Which way a term says that something moved, if it does.

    Example:
        >>> direction("declined"), direction("growth"), direction("sale")
        ('down', 'up', None)
    """
    return _BY_STEM.get(with_stems([term])[1])


def directions_of_figures(plain: str) -> frozenset[Direction]:
    """Which ways the percentages of a row of figures say that something moved.

    A table prints no "increased". Bookkeepers put what is negative in parentheses.

    Args:
        plain: Without markup. What is no row of figures says nothing.

    Example:
        >>> directions_of_figures("International 46,363 46,619 (0.6)%")
        frozenset({'down'})
    """
    if not is_row_of_figures(plain):
        return frozenset()
    return frozenset("down" if match[1] else "up" for match in _PERCENT.finditer(plain))
