"""Scores how loop-like a stretch of text is (CUSUM), and the thresholds.

Predicted units (hits) raise the score, and the others (misses) lower it by more, so that ordinary
text stays near zero while a loop's score grows without end (E. S. Page, Biometrika 41, 1954).

The thresholds were chosen on the pages of ``benchmarks/safety/loops.py`` and on tables that must
not be lost (``tests/model/loops/test_detector.py``). The good pages closest to them score 11
without a miss, 108 by counting, and 490 with copies that differ.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

from .predictor import Prediction
from .units import TextUnit

__all__ = ["Stretch"]

FRESH: Final = 8
"""Units after which a repeated unit counts in full."""

LEAST_FRESHNESS: Final = 0.25
"""Weight of a word or number that is repeated at once."""

CLEAN_SCORE: Final = 100.0
CLEAN_COPIES: Final = 2.5
"""Score and copies, the first not counted, of a loop without a miss. A page may hold three
equal copies of a form. The score is that of 40 words, or 200 empty cells: blank forms have many."""

COUNTING_SCORE: Final = 220.0
COUNTING_COPIES: Final = 64.0
"""The same where numbers count up, as on an answer sheet, a parts list or a
questionnaire: more lines than such a page has."""

EXACT_UNITS: Final = 75.0
EXACT_COPIES: Final = 3.5
"""Also a loop: this many fresh units and copies without a miss and without counting. A
matrix of a hundred zeros has 51 units."""

VARIED_SCORE: Final = 1000.0
VARIED_COPIES: Final = 5.0
"""Score and copies of a loop whose copies differ. Sixty invoice or log lines that differ
in their numbers, or rows of "not applicable", reach 570."""

IN_TABLE_SCORE: Final = 300.0
IN_FORMULA_SCORE: Final = 80.0
BROKEN_OFF_COPIES: Final = 3.5
"""Scores and copies at the end of a text that breaks off inside a table or a formula."""

FALL: Final = 60.0
"""How far the score of a loop falls from its peak before the loop counts as left."""


def _freshness(prediction: Prediction) -> float:
    return min(1.0, max(LEAST_FRESHNESS, prediction.distance / FRESH))


class _Tally(NamedTuple):
    """Sums over predicted units."""

    hits: int = 0  # number of units
    score: float = 0.0
    fresh: float = 0.0  # number of units, those repeated soon weighted less
    counted: int = 0  # number of units predicted by counting

    def plus(self, prediction: Prediction, score: float) -> _Tally:
        """Return the sums with one more unit."""
        return _Tally(
            self.hits + 1,
            self.score + score,
            self.fresh + _freshness(prediction),
            self.counted + prediction.counted,
        )

    def since(self, earlier: _Tally) -> _Tally:
        """Return the sums since an earlier state."""
        return _Tally(
            self.hits - earlier.hits,
            self.score - earlier.score,
            self.fresh - earlier.fresh,
            self.counted - earlier.counted,
        )


class _Streak:
    """Consecutive hits, and the largest lag from each of them to the last.

    A streak holds a loop if one of its suffixes is several times as long as that
    suffix's largest lag; units before it may have been predicted from farther away.
    """

    __slots__ = ("_largest", "_now")

    def __init__(self) -> None:
        self._now = _Tally()
        self._largest: list[tuple[int, _Tally]] = [(0, self._now)]

    def add(self, prediction: Prediction, score: float) -> None:
        """Add the next unit."""
        self._now = self._now.plus(prediction, score)
        while len(self._largest) > 1 and self._largest[-1][0] <= prediction.lag:
            self._largest.pop()
        self._largest.append((prediction.lag, self._now))

    def is_loop(self) -> bool:
        """Whether a suffix of the streak is a loop."""
        if self._now.score < CLEAN_SCORE and self._now.fresh < EXACT_UNITS:
            return False
        return any(
            _is_clean(self._now.since(before), lag)
            for (_, before), (lag, _) in pairwise(self._largest)
        )


def _is_clean(tally: _Tally, lag: int) -> bool:
    if tally.counted:
        return tally.score >= COUNTING_SCORE and tally.hits >= COUNTING_COPIES * lag
    if tally.score >= CLEAN_SCORE and tally.hits >= CLEAN_COPIES * lag:
        return True
    return tally.fresh >= EXACT_UNITS and tally.hits >= EXACT_COPIES * lag


class Stretch:
    """The text since the score was last zero: its first unit, and that of the score's peak."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.proven: int | None = None  # the unit that proved a loop
        self.clean = False  # whether it was proven without a miss
        self._next = first
        self._score = self._peak = 0.0
        self._hits = 0
        self._gained = self._lags = 0.0
        self._streak = _Streak()

    @property
    def is_over(self) -> bool:
        """Whether the text has left the stretch."""
        if not self._hits:
            return False
        fall = max(FALL, self._peak / 2) if self.proven is None else FALL
        return self._score <= 0 or self._score < self._peak - fall

    def breaks_off(self, *, in_table: bool, in_formula: bool) -> bool:
        """Whether it is a loop, given that the text ends inside a table or a formula."""
        return (in_table and self._is_varied(IN_TABLE_SCORE, BROKEN_OFF_COPIES)) or (
            in_formula and self._is_varied(IN_FORMULA_SCORE, BROKEN_OFF_COPIES)
        )

    def add(self, unit: TextUnit, prediction: Prediction) -> None:
        """Add the next unit and its prediction."""
        here = self._next
        self._next += 1
        if not (prediction.lag or self._hits):
            # The stretch has not begun.
            self.first = self.last = self._next
            return
        says = unit.hit if prediction.lag else -unit.miss
        if unit.has_content and not prediction.counted:
            says *= _freshness(prediction)
        self._score += says
        if not prediction.lag:
            self._streak = _Streak()
            return
        self._streak.add(prediction, says)
        self._hits += 1
        self._gained += says
        self._lags += says * prediction.lag
        if self._score > self._peak:
            self._peak, self.last = self._score, here
        if self.proven is None:
            self.clean = self._streak.is_loop()
            if self.clean or self._is_varied(VARIED_SCORE, VARIED_COPIES):
                self.proven = here
                # An earlier, higher peak does not belong to this loop.
                self._peak, self.last = self._score, here

    def _is_varied(self, score: float, copies: float) -> bool:
        # The mean lag is weighted by the units' scores.
        return self._peak >= score and self._hits * self._gained >= copies * self._lags
