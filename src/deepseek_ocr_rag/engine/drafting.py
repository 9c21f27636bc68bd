"""Drafts: what probably follows, from the page's own text and from what was already written.

The model checks drafts in the step that computes the next token, so that right
ones cost nothing and wrong ones change nothing. Source of the idea of drafting by
look-up: Saxena, Prompt lookup decoding, 2023.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

__all__ = ["Drafter"]

LONGEST_MATCH: Final = 3
"""Tokens by which a place is found; in the page's text the last two will do, too."""

FEWEST: Final = 3
MOST: Final = 15
"""Drafts at once; with the newest token, they fill a matrix unit's rows."""

PATIENCE: Final = 2
"""Steps without a right draft after which the place in the page's text is lost."""

OPENERS: Final = frozenset({128819, 128821})
"""``<|/det|>`` and ``<td>``: the page's text goes on behind them, where it was left."""

BEHIND_OPENER: Final = 2
"""Tokens behind an opener within which it still does: a line break comes first."""

Places = dict[tuple[int, ...], list[int]]


class Drafter:
    """Drafts for one page.

    Args:
        source: Tokens of the page's text layer, in reading order; may be empty.

    Example:
        >>> drafter = Drafter([5, 6, 7, 8, 9])
        >>> drafter.wrote([1, 6, 7])
        >>> drafter.drafts()
        [8, 9]
    """

    def __init__(self, source: Sequence[int] = ()) -> None:
        self._source = list(source)
        self._in_source: Places = {}
        for end in range(1, len(self._source)):
            _note(self._in_source, self._source, end)
        self._written: list[int] = []
        self._in_written: Places = {}
        self._place = 0
        self._misses = PATIENCE
        self._length = (FEWEST + MOST) // 2
        self._proposed: list[int] = []
        self._by_source = False

    def wrote(self, tokens: Sequence[int]) -> None:
        """Take what was written since the last drafts."""
        if self._proposed and tokens:
            self._learn(tokens)
        for token in tokens:
            # Only where something follows: the end itself is what is looked for.
            if self._written:
                _note(self._in_written, self._written, len(self._written))
            self._written.append(token)

    def drafts(self) -> list[int]:
        """What probably follows; often nothing."""
        self._by_source = True
        if (place := self._place_in_source()) is not None:
            self._place, self._misses = place, 0
        elif places := self._in_written.get(tuple(self._written[-LONGEST_MATCH:])):
            self._by_source = False
            self._proposed = self._written[places[-1] : places[-1] + self._length]
            return self._proposed
        elif not OPENERS.isdisjoint(self._written[-BEHIND_OPENER:]):
            self._misses = 0
        known = self._misses < PATIENCE
        self._proposed = self._source[self._place : self._place + self._length] if known else []
        return self._proposed

    def _learn(self, tokens: Sequence[int]) -> None:
        """See how good the last drafts were, and where the text is now."""
        agreed = 0
        while agreed < min(len(tokens), len(self._proposed)) and (
            tokens[agreed] == self._proposed[agreed]
        ):
            agreed += 1
        all_right = agreed == len(self._proposed)
        self._length = min(MOST, 2 * self._length) if all_right else max(FEWEST, agreed + 1)
        if self._by_source:
            # Most differences are another character or word in the same place.
            self._place += agreed + (not all_right)
            self._misses = 0 if agreed else self._misses + 1
        self._proposed = []

    def _place_in_source(self) -> int | None:
        for size in range(LONGEST_MATCH, 1, -1):
            places = self._in_source.get(tuple(self._written[-size:]))
            if places and len(self._written) >= size:
                # A page is mostly read on: the next place before an earlier one.
                following = bisect_left(places, self._place)
                return places[following] if following < len(places) else places[-1]
        return None


def _note(places: Places, tokens: Sequence[int], end: int) -> None:
    """Note the n-grams that end before ``end``."""
    for size in range(2, min(LONGEST_MATCH, end) + 1):
        places.setdefault(tuple(tokens[end - size : end]), []).append(end)
