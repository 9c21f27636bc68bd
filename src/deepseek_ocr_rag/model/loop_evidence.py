"""How much speaks for it that a stretch of text is a loop, and when that is enough.

Units that were foretold add to a score and others take from it, more than hits
give, so that the score of ordinary text stays near zero and that of a loop
grows without end: a CUSUM test (E. S. Page, Biometrika 41, 1954). The thresholds
come from ``benchmarks/loops.py``, which prints how near good pages come to them.
"""

from __future__ import annotations

from typing import Final

from .text_units import Unit
from .unit_prediction import Prediction

__all__ = ["Stretch"]

LEAST_FRESHNESS: Final = 0.25
"""What a word or number still counts that comes again at once."""

CLEAN_SCORE: Final = 100.0
CLEAN_COPIES: Final = 2.5
"""A loop without a miss: so much score and so many copies, the first one not
counted. Forms come in up to four copies on a page. It is 40 words, or 200 empty
cells: a blank form has rows and rows of them."""

COUNTING_SCORE: Final = 220.0
"""The same where numbers count up, as on an answer sheet or a list to sign."""

EXACT_UNITS: Final = 100.0
EXACT_COPIES: Final = 3.5
"""Also a loop: so many fresh units without a miss and without counting, whatever
they weigh."""

VARIED_SCORE: Final = 1000.0
VARIED_COPIES: Final = 5.0
"""A loop whose copies differ. Sixty invoice or log lines that differ in their
numbers, or rows of "not applicable", come to 570."""

IN_TABLE_SCORE: Final = 300.0
IN_FORMULA_SCORE: Final = 80.0
BROKEN_OFF_COPIES: Final = 3.5
"""Enough at the end of a text that breaks off inside of a table or a formula."""

FALL: Final = 60.0
"""How far the score of a loop falls from its peak before the loop counts as left."""


class _Tally:
    """What was counted over units that were foretold."""

    __slots__ = ("_by_lag", "_commonest", "counted", "fresh", "hits", "lags", "score")

    def __init__(self) -> None:
        self.score = self.fresh = 0.0
        self.hits = self.lags = self.counted = 0
        self._by_lag: dict[int, int] = {}
        self._commonest = 1

    @property
    def copies(self) -> float:
        """How often the commonest lag fits into the units that have it."""
        return self._by_lag.get(self._commonest, 0) / self._commonest

    def add(self, prediction: Prediction, score: float) -> None:
        """Take a unit that was foretold and what that adds to the score."""
        lag = prediction.lag
        self.score += score
        self.fresh += max(LEAST_FRESHNESS, prediction.freshness)
        self.hits += 1
        self.lags += lag
        self.counted += prediction.counted
        times = self._by_lag[lag] = self._by_lag.get(lag, 0) + 1
        if times > self._by_lag.get(self._commonest, 0):
            self._commonest = lag


class Stretch:
    """The evidence since the score was last zero.

    Attributes:
        first: Number of the first unit.
        last: Number of the unit with which the score was highest.
        proven: Number of the unit with which it was enough, or None.
        clean: Whether it was enough without a miss.
    """

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.proven: int | None = None
        self.clean = False
        self._next = first
        self._score = self._peak = 0.0
        self._whole = _Tally()
        self._since_miss = _Tally()

    @property
    def is_over(self) -> bool:
        """Whether the text has left the stretch."""
        fall = max(FALL, self._peak / 2) if self.proven is None else FALL
        return self._score <= 0 or self._score < self._peak - fall

    def breaks_off(self, *, in_table: bool, in_formula: bool) -> bool:
        """Whether it is enough, given that the text ends inside of a table or a formula."""
        return (in_table and self._is_varied(IN_TABLE_SCORE, BROKEN_OFF_COPIES)) or (
            in_formula and self._is_varied(IN_FORMULA_SCORE, BROKEN_OFF_COPIES)
        )

    def add(self, unit: Unit, prediction: Prediction) -> None:
        """Take the next unit and how it was foretold."""
        here = self._next
        self._next += 1
        says = unit.hit if prediction.lag else -unit.miss
        if unit.has_content and not prediction.counted:
            says *= max(LEAST_FRESHNESS, prediction.freshness)
        self._score += says
        if not prediction.lag:
            self._since_miss = _Tally()
            return
        self._since_miss.add(prediction, says)
        self._whole.add(prediction, says)
        if self._score > self._peak:
            self._peak, self.last = self._score, here
        if self.proven is None:
            self.clean = self._is_clean()
            if self.clean or self._is_varied(VARIED_SCORE, VARIED_COPIES):
                self.proven = here

    def _is_clean(self) -> bool:
        tally = self._since_miss
        score = COUNTING_SCORE if tally.counted else CLEAN_SCORE
        if tally.score >= score and tally.copies >= CLEAN_COPIES:
            return True
        exact = tally.fresh >= EXACT_UNITS and not tally.counted
        return exact and tally.copies >= EXACT_COPIES

    def _is_varied(self, score: float, copies: float) -> bool:
        tally = self._whole
        return self._peak >= score and tally.hits**2 >= copies * tally.lags
