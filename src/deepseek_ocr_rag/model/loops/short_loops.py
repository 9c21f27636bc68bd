"""Text that says the same few units again and again, with a change now and then.

The rules against repeated n-grams make every loop of a few words look like this:
after 20 to 35 tokens they force another one, and the loop goes on. For copies
that short the tests of :mod:`.loop_score` ask for more than a page has room
for, because columns of "n/a" repeat as much; those stand in tables. Outside of
them this test counts in full what comes again at once, by the same sum of hits
and misses.

The threshold was chosen on the pages of ``benchmarks/safety/loops.py``, of which none
comes above 90, and on litanies, rolls and forms (``tests/model/loops/test_short_loops.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .predictor import Prediction, UnitPredictor
from .units import TextUnit

__all__ = ["Stutter"]

NEAR: Final = 12
"""Units within which one has to come again to count."""

ENOUGH: Final = 400.0
"""Some 150 words. A litany of 90 lines comes to 380."""

CHARACTERS: Final = 8
"""Characters of a run, a command or a tag that say as much as 1.0."""

LONG_RUN: Final = 16
"""Characters of a run that need not be foretold: what stands between two of them
is another thing each time."""

NUMBER: Final = 1.0
"""What a number of several digits says; a digit may stand in a matrix of zeros."""

STRICTNESS: Final = 4.0
"""How much more a miss counts where the beginning of a loop is looked for."""

CLEANER: Final = 4.0
"""By how much fewer of a loop's units are misses than of lines before it."""

FALL: Final = 60.0
"""How far the score falls from its peak before the text has left."""


def evidence(unit: TextUnit, prediction: Prediction) -> float:
    """What a unit says for a loop, and if negative, against one."""
    if unit.in_table:
        return 0.0
    length = unit.end - unit.start
    if prediction.distance > NEAR:
        return 0.0 if prediction.lag else -unit.miss
    if not prediction.lag and not (unit.is_run and length >= LONG_RUN):
        return 0.0  # behind a change, before it is seen how the text goes on
    if unit.value is not None and length > 1:
        return NUMBER
    whole = unit.is_run or unit.text.startswith(("\\", "<"))
    return max(unit.hit, length / CHARACTERS) if whole else unit.hit


class Stutter:
    """The evidence since the score was last zero."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first  # numbers of the first unit and of the best score's
        self.proven: int | None = None  # number of the unit with which the score was enough
        self._next = first
        self._score = self._peak = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the text has left the stretch."""
        left = self.proven is not None and self._score < self._peak - FALL
        return self._peak > 0 and (self._score <= 0 or left)

    def add(self, unit: TextUnit, prediction: Prediction) -> None:
        """Take the next unit and how it was foretold."""
        here = self._next
        self._next += 1
        says = evidence(unit, prediction)
        if says <= 0 and not self._peak:
            # It has not begun.
            self.first = self.last = self._next
            return
        self._score += says
        if self._score > self._peak:
            self._peak, self.last = self._score, here
            if self.proven is None and self._score >= ENOUGH:
                self.proven = here

    def begin(self, past: UnitPredictor) -> int:
        """The unit with which the loop begins.

        Lines that only resemble each other may stand before it. So the beginning is looked for
        with the same test, but stricter, and taken if what lies before it has more misses.
        """
        says = [
            evidence(past.units[place], past.predictions[place])
            for place in range(self.first, self.last + 1)
        ]
        begin, score = 0, 0.0
        for place, said in enumerate(says):
            score += said if said > 0 else STRICTNESS * said
            if score <= 0:
                begin, score = place + 1, 0.0
        before, after = says[:begin], says[begin:]
        if sum(after) < ENOUGH / 2 or _misses(before) < CLEANER * _misses(after):
            return self.first
        return self.first + begin


def _misses(says: Sequence[float]) -> float:
    """Which share of units was not foretold."""
    return sum(said < 0 for said in says) / max(1, len(says))
