"""Text that says the same few units again and again, with a change now and then.

The rules against repeated n-grams make every loop of a few words look like this:
after 20 to 35 tokens they force another one, and the loop goes on. For copies
that short the tests of :mod:`.loop_evidence` ask for more than a page has room
for, because columns of "n/a" repeat as much; those stand in tables. Outside of
them this test counts in full what comes again at once, by the same sum of hits
and misses.

The threshold was chosen on the pages of ``benchmarks/loops.py``, of which none
comes above 80, and on litanies, rolls and forms (``tests/model/test_stutter.py``).
"""

from __future__ import annotations

from typing import Final

from .text_units import Unit
from .unit_prediction import Prediction

__all__ = ["Stutter"]

NEAR: Final = 12
"""Units within which one has to come again to count."""

ENOUGH: Final = 400.0
"""Some 150 words. A litany of 90 lines comes to 380."""

IN_TABLE: Final = 0.25
"""What a hit counts in a table."""

CHARACTERS: Final = 8
"""So many characters say as much as 1.0, whatever they are."""

LONG_RUN: Final = 16
"""Characters of a run that need not be foretold: what stands between two of them
is another thing each time."""

NUMBER: Final = 1.0
"""What a number of several digits says; a digit may stand in a matrix of zeros."""

FALL: Final = 60.0
"""How far the score falls from its peak before the text has left."""


class Stutter:
    """The evidence since the score was last zero.

    Attributes:
        first: Number of the first unit.
        last: Number of the unit with which the score was highest.
        proven: Number of the unit with which it was enough, or None.
    """

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.proven: int | None = None
        self._next = first
        self._score = self._peak = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the text has left the stretch."""
        return self._score <= 0 or (self.proven is not None and self._score < self._peak - FALL)

    def add(self, unit: Unit, prediction: Prediction) -> None:
        """Take the next unit and how it was foretold."""
        length = unit.end - unit.start
        near = prediction.distance <= NEAR
        if near and (prediction.lag or (unit.is_run and length >= LONG_RUN)):
            says = max(unit.hit, length / CHARACTERS)
            if unit.value is not None and length > 1:
                says = NUMBER
            self._score += says * IN_TABLE if unit.in_table else says
        elif not prediction.lag:
            self._score -= unit.miss
        if self._score > self._peak:
            self._peak, self.last = self._score, self._next
            if self.proven is None and self._score >= ENOUGH:
                self.proven = self._next
        self._next += 1
