"""Finds loops of a few units that another unit interrupts now and then.

The rules against repeated n-grams make every short loop look like this: after 20 to 35 tokens they
force a different token, and the loop goes on. :mod:`.loop_score` asks for more copies of such a
loop than fit on a page, because columns of "n/a" repeat as much; but those are in tables. Outside
tables, this test counts immediate repeats in full, with the same sum of hits and misses.

The threshold was chosen on the pages of ``benchmarks/safety/loops.py``, which score at
most 90, and on litanies, rolls and forms (``tests/model/loops/test_short_loops.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .predictor import Prediction, UnitPredictor
from .units import TextUnit

__all__ = ["Stutter"]

NEAR: Final = 12
"""Units within which a unit must be repeated to count."""

ENOUGH: Final = 400.0
"""Score of a loop, some 150 words. A litany of 90 lines reaches 380."""

CHARACTERS: Final = 8
"""Characters of a run, a command or a tag for a score of 1.0."""

LONG_RUN: Final = 16
"""Characters of a run that counts even if not predicted: the text between two such
runs may differ each time."""

NUMBER: Final = 1.0
"""Score of a number of several digits; a single digit may be from a matrix of zeros."""

STRICTNESS: Final = 4.0
"""Weight of a miss in the search for the beginning of a loop."""

CLEANER: Final = 4.0
"""Least ratio between the miss rate of the lines before a loop and that of the loop."""

FALL: Final = 60.0
"""How far the score falls from its peak before the loop counts as left."""


def evidence(unit: TextUnit, prediction: Prediction) -> float:
    """Return the unit's score: positive for a loop, negative against one."""
    if unit.in_table:
        return 0.0
    length = unit.end - unit.start
    if prediction.distance > NEAR:
        return 0.0 if prediction.lag else -unit.miss
    if not prediction.lag and not (unit.is_run and length >= LONG_RUN):
        return 0.0  # just after a change, before the repetition resumes
    if unit.value is not None and length > 1:
        return NUMBER
    whole = unit.is_run or unit.text.startswith(("\\", "<"))
    return max(unit.hit, length / CHARACTERS) if whole else unit.hit


class Stutter:
    """The text since the score was last zero: its first unit, and that of the score's peak."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.proven: int | None = None  # the unit that proved a loop
        self._next = first
        self._score = self._peak = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the text has left the stretch."""
        left = self.proven is not None and self._score < self._peak - FALL
        return self._peak > 0 and (self._score <= 0 or left)

    def add(self, unit: TextUnit, prediction: Prediction) -> None:
        """Add the next unit and its prediction."""
        here = self._next
        self._next += 1
        says = evidence(unit, prediction)
        if says <= 0 and not self._peak:
            # The stretch has not begun.
            self.first = self.last = self._next
            return
        self._score += says
        if self._score > self._peak:
            self._peak, self.last = self._score, here
            if self.proven is None and self._score >= ENOUGH:
                self.proven = here

    def begin(self, past: UnitPredictor) -> int:
        """Find the unit with which the loop begins.

        Lines that only resemble each other may precede it. So a stricter form of the same test
        finds the beginning, which is accepted if the text before it has more misses.
        """
        says = [
            evidence(past.units[index], past.predictions[index])
            for index in range(self.first, self.last + 1)
        ]
        begin, score = 0, 0.0
        for index, said in enumerate(says):
            score += said if said > 0 else STRICTNESS * said
            if score <= 0:
                begin, score = index + 1, 0.0
        before, after = says[:begin], says[begin:]
        if sum(after) < ENOUGH / 2 or _misses(before) < CLEANER * _misses(after):
            return self.first
        return self.first + begin


def _misses(says: Sequence[float]) -> float:
    """Return the share of units that were not predicted."""
    return sum(said < 0 for said in says) / max(1, len(says))
