"""Drafts the next tokens by look-up in the page's text layer and in the text written so far.

The model verifies drafts in the step that computes the next token: right ones save
steps, wrong ones change nothing. Source: Saxena, Prompt lookup decoding, 2023.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

__all__ = ["Drafter"]

LONGEST_MATCH: Final = 3
"""Longest n-gram that is looked up; in the text layer two tokens are enough."""

MIN_DRAFTS: Final = 3
MAX_DRAFTS: Final = 15
"""Fewest and most drafts at once; 15 and the newest token fill the 16 rows of a matrix unit."""

PATIENCE: Final = 2
"""Steps without an accepted draft after which the position in the text layer is lost."""

OPENERS: Final = frozenset({128819, 128821})
"""``<|/det|>`` and ``<td>``: the text layer continues after them."""

BEHIND_OPENER: Final = 2
"""Most tokens after an opener before the text layer continues: a line break comes first."""

NgramIndex = dict[tuple[int, ...], list[int]]
"""For each n-gram, the positions directly after its occurrences."""


class Drafter:
    """Drafts tokens of one page from its text layer (tokens in reading order; may be empty)."""

    def __init__(self, source: Sequence[int] = ()) -> None:
        self._source = list(source)
        self._in_source: NgramIndex = {}
        for end in range(1, len(self._source)):
            _index(self._in_source, self._source, end)
        self._written: list[int] = []
        self._in_written: NgramIndex = {}
        self._position = 0
        self._misses = PATIENCE
        self._length = (MIN_DRAFTS + MAX_DRAFTS) // 2
        self._proposed: list[int] = []
        self._by_source = False

    def observe(self, tokens: Sequence[int]) -> None:
        """Add the tokens that were written since the last drafts."""
        if self._proposed and tokens:
            self._learn(tokens)
        for token in tokens:
            # The newest n-gram is the one to look up, so it is not indexed yet.
            if self._written:
                _index(self._in_written, self._written, len(self._written))
            self._written.append(token)

    @property
    def expects_drafts(self) -> bool:
        """Whether the newest n-gram was written before; always true with a text layer."""
        return bool(self._source) or self._newest in self._in_written

    @property
    def _newest(self) -> tuple[int, ...]:
        return tuple(self._written[-LONGEST_MATCH:])

    def draft(self) -> list[int]:
        """Return the tokens that probably follow; often none."""
        self._by_source = True
        if (position := self._find_in_source()) is not None:
            self._position, self._misses = position, 0
        elif found := self._in_written.get(self._newest):
            self._by_source = False
            self._proposed = self._written[found[-1] : found[-1] + self._length]
            return self._proposed
        elif not OPENERS.isdisjoint(self._written[-BEHIND_OPENER:]):
            self._misses = 0
        known = self._misses < PATIENCE
        end = self._position + self._length
        self._proposed = self._source[self._position : end] if known else []
        return self._proposed

    def _learn(self, tokens: Sequence[int]) -> None:
        """Adapt the length to the number of accepted drafts, and advance in the text layer."""
        agreed = 0
        while agreed < min(len(tokens), len(self._proposed)) and (
            tokens[agreed] == self._proposed[agreed]
        ):
            agreed += 1
        all_right = agreed == len(self._proposed)
        longer = min(MAX_DRAFTS, 2 * self._length)
        self._length = longer if all_right else max(MIN_DRAFTS, agreed + 1)
        if self._by_source:
            # Most differences are one token that was read differently.
            self._position += agreed + (not all_right)
            self._misses = 0 if agreed else self._misses + 1
        self._proposed = []

    def _find_in_source(self) -> int | None:
        for size in range(LONGEST_MATCH, 1, -1):
            found = self._in_source.get(tuple(self._written[-size:]))
            if found and len(self._written) >= size:
                # A page is mostly read in order: prefer the next occurrence to earlier ones.
                following = bisect_left(found, self._position)
                return found[following] if following < len(found) else found[-1]
        return None


def _index(index: NgramIndex, tokens: Sequence[int], end: int) -> None:
    """Index the n-grams that end before ``end``."""
    for size in range(2, min(LONGEST_MATCH, end) + 1):
        index.setdefault(tuple(tokens[end - size : end]), []).append(end)
