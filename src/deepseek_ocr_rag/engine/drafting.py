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

MAX_DRAFTS: Final = 15
"""Most drafts at once; with the newest token they fill the 16 rows of a matrix unit."""

STEPS: Final = ((3, 1.7), (7, 2.15), (MAX_DRAFTS, 2.55))
"""Draft counts of the captured steps, each with the time of such a step in units of a step without
drafts (measured)."""

WAIT: Final = 0.2
"""Time of waiting for the newest token, in the same unit."""

EXACTLY, MORE, SOURCE = range(3)
"""Where drafts come from: earlier text after the same three tokens, earlier text after more of the
same tokens, or the text layer."""

CHANCES: Final = (0.57, 0.72, 0.8)
"""Probability that a draft of each kind is right, before the page has any; the first two were
counted in 100 real outputs."""

WEIGHT: Final = 8.0
"""Number of a page's drafts that weigh as much as these first probabilities."""

MEMORY: Final = 0.99
"""Factor by which a draft's weight shrinks with each later token: what held for a table need not
hold for the text after it."""

PATIENCE: Final = 2
"""Steps without an accepted draft after which the position in the text layer is lost."""

OPENERS: Final = frozenset({128819, 128821})
"""``<|/det|>`` and ``<td>``: the text layer continues after them."""

BEHIND_OPENER: Final = 2
"""Most tokens after an opener before the text layer continues: a line break comes first."""

NgramIndex = dict[tuple[int, ...], list[int]]
"""For each n-gram, the positions directly after its occurrences."""


class _Odds:
    """Estimates from a page's earlier drafts how probably the next are right."""

    def __init__(self) -> None:
        self._right = [chance * WEIGHT for chance in CHANCES]
        self._tried = [WEIGHT] * len(CHANCES)
        self._counts: dict[int, int] = {}

    def learn(self, kind: int, *, right: bool) -> None:
        self._counts.clear()
        self._right[kind] += right
        self._tried[kind] += 1

    def forget(self, tokens: int) -> None:
        """Let earlier drafts count less, after this many tokens."""
        self._counts.clear()
        kept = MEMORY**tokens
        for kind, chance in enumerate(CHANCES):
            self._right[kind] += (1 - kept) * (chance * WEIGHT - self._right[kind])
            self._tried[kind] += (1 - kept) * (WEIGHT - self._tried[kind])

    def count(self, kind: int) -> int:
        """Return the number of drafts that gives most tokens for its time; 0 if none pays."""
        # Asked several times for each token, while the device waits.
        if kind not in self._counts:
            self._counts[kind] = self._best_count(kind)
        return self._counts[kind]

    def _best_count(self, kind: int) -> int:
        chance = self._right[kind] / self._tried[kind]
        following = MORE if kind == EXACTLY else kind
        wrong = 1 - self._right[following] / self._tried[following]
        best, rate = 0, 1.0
        for drafts, cost in STEPS:
            # The step's own token, and the drafts before the first wrong one, on average.
            right = (1 - (1 - wrong) ** drafts) / wrong if wrong else drafts
            tokens = 1 + chance * right
            if tokens / (cost + WAIT) > rate:
                best, rate = drafts, tokens / (cost + WAIT)
        return best


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
        self._odds = _Odds()
        self._proposed: list[int] = []
        self._kind = SOURCE

    def observe(self, tokens: Sequence[int]) -> None:
        """Add the tokens that were written since the last drafts."""
        if not tokens:
            return
        if self._proposed:
            self._learn(tokens)
        self._odds.forget(len(tokens))
        for token in tokens:
            # The newest n-gram is the one to look up, so it is not indexed yet.
            if self._written:
                _index(self._in_written, self._written, len(self._written))
            self._written.append(token)

    @property
    def expects_drafts(self) -> bool:
        """Whether waiting for the newest token will probably pay, judging by the drafts so far."""
        if self._source and self._odds.count(SOURCE):
            return True
        found = self._in_written.get(tuple(self._written[-LONGEST_MATCH:]))
        return found is not None and self._odds.count(self._kind_of(found[-1])) > 0

    def draft(self) -> list[int]:
        """Return the tokens that probably follow; often none."""
        self._kind, place = SOURCE, None
        if (position := self._find_in_source()) is not None:
            self._position, self._misses = position, 0
        elif found := self._in_written.get(tuple(self._written[-LONGEST_MATCH:])):
            self._kind, place = self._kind_of(found[-1]), found[-1]
        elif not OPENERS.isdisjoint(self._written[-BEHIND_OPENER:]):
            self._misses = 0
        count = self._odds.count(self._kind)
        if place is not None:
            self._proposed = self._written[place : place + count]
        elif self._misses < PATIENCE:
            self._proposed = self._source[self._position : self._position + count]
        else:
            self._proposed = []
            # The wait was in vain.
            self._odds.learn(SOURCE, right=False)
        return self._proposed

    def _kind_of(self, place: int) -> int:
        """Return ``MORE`` if more than the last three tokens stand before a place."""
        before, now = place - 1 - LONGEST_MATCH, len(self._written) - 1 - LONGEST_MATCH
        same = before >= 0 and self._written[before] == self._written[now]
        return MORE if same else EXACTLY

    def _learn(self, tokens: Sequence[int]) -> None:
        """Count right and wrong drafts, and advance in the text layer."""
        agreed = 0
        while agreed < min(len(tokens), len(self._proposed)) and (
            tokens[agreed] == self._proposed[agreed]
        ):
            agreed += 1
        kind = self._kind
        for place in range(min(agreed + 1, len(tokens), len(self._proposed))):
            self._odds.learn(kind, right=place < agreed)
            kind = MORE if kind == EXACTLY else kind
        if self._kind == SOURCE:
            # Most differences are one token that was read differently.
            self._position += agreed + (agreed < len(self._proposed))
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
