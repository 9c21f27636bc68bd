"""Predicts each unit of a text from the units before it.

When a few units occur again, the unit that followed them before is expected next; a
number may also go on counting. This is the match model of lossless compressors (C. Bloom,
"Solving the problems of context modeling", 1998), with several candidates at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .units import TextUnit

__all__ = ["NEVER", "Prediction", "UnitPredictor"]

CONTEXT: Final = 4
"""Units that must occur again in sequence before the next one is predicted."""

NO_NUMBERS: Final = (None,) * CONTEXT

FARTHEST: Final = 2000
"""Most units between a candidate and the present: two copies of some 400 tokens of formula."""

CANDIDATES: Final = 4
"""Candidates at once: the last two occurrences of the same units with the same
numbers, and the last two with any numbers."""

MOST_DOUBT: Final = 3.0
"""Misses after which a candidate is dropped; four hits make up for one."""

LARGEST_STEP: Final = 100
"""The most that a counter moves from one copy to the next."""

NEVER: Final = 10**9
"""The distance of a unit that occurs for the first time."""


class Prediction(NamedTuple):
    """How a unit was predicted.

    ``distance`` counts the units back to the last equal unit, whatever it was predicted from;
    :data:`NEVER` if it is new. It is small in "n/a n/a n/a" and in a matrix of zeros.
    """

    lag: int  # units back to the one that it was predicted from; 0 if it was not predicted
    counted: bool  # whether it is the next number of a counter
    distance: int


@dataclass(slots=True)
class _Candidate:
    """A position in the past from which the text may be repeating."""

    position: int
    doubt: float = 0.0


class UnitPredictor:
    """The units so far, and how each was predicted."""

    def __init__(self) -> None:
        self.units: list[TextUnit] = []
        self.predictions: list[Prediction] = []
        self._texts: tuple[str, ...] = ()
        self._values: tuple[int | None, ...] = ()
        self._seen: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._followed: tuple[int, ...] = ()
        self._last_seen: dict[tuple[str, int | None], int] = {}
        self._candidates: list[_Candidate] = []

    def add(self, unit: TextUnit) -> Prediction:
        """Add the next unit and return how the nearest matching candidate predicted it."""
        here = len(self.units)
        self.units.append(unit)
        self._texts = (*self._texts[1 - CONTEXT :], unit.text)
        self._values = (*self._values[1 - CONTEXT :], unit.value)
        lag, by_counting = 0, False
        for candidate in self._candidates:
            counted = self._comes_again(here, candidate.position)
            if counted is None:
                candidate.doubt += 1.0
            else:
                candidate.doubt = max(0.0, candidate.doubt - 0.25)
                if not lag or here - candidate.position < lag:
                    lag, by_counting = here - candidate.position, counted
            candidate.position += 1
        self._candidates = [
            candidate for candidate in self._candidates if candidate.doubt < MOST_DOUBT
        ]
        prediction = Prediction(lag, by_counting, self._distance(unit, here))
        self.predictions.append(prediction)
        self._look_up(predicted=lag > 0)
        return prediction

    def _distance(self, unit: TextUnit, here: int) -> int:
        key = unit.text, unit.value
        before = self._last_seen.get(key)
        self._last_seen[key] = here
        return NEVER if before is None else here - before

    def _comes_again(self, here: int, position: int) -> bool | None:
        """Compare the newest unit with the one at ``position``.

        Returns:
            False if it is equal, True if it is the next number of a counter, else None.
        """
        unit, model = self.units[here], self.units[position]
        if unit.text != model.text:
            return None
        if unit.value == model.value:
            return False
        earlier = 2 * position - here
        first = self.units[earlier].value if earlier >= 0 else None
        if first is None or unit.value is None or model.value is None:
            return None
        step = unit.value - model.value
        return True if model.value - first == step and abs(step) <= LARGEST_STEP else None

    def _look_up(self, *, predicted: bool) -> None:
        """Add the earlier occurrences of the last units, with equal or other numbers."""
        here = len(self.units)
        if here < CONTEXT:
            return
        if not predicted and self.units[-1].value is not None:
            # A new number may be the next one of a counter.
            for position in self._followed:
                if self.units[position].value is not None:
                    self._add_candidate(position + 1)
        self._match(self._texts, here, predicted)
        if self._values != NO_NUMBERS:
            self._match((self._texts, self._values), here, predicted)
        if len(self._candidates) > CANDIDATES:
            self._candidates = sorted(self._candidates, key=lambda candidate: candidate.doubt)[
                :CANDIDATES
            ]

    def _match(self, context: tuple[object, ...], here: int, predicted: bool) -> None:
        self._followed = self._seen.get(context, ())
        self._seen[context] = (here, *self._followed[:1])
        if not predicted:
            for position in self._followed:
                self._add_candidate(position)

    def _add_candidate(self, position: int) -> None:
        near = len(self.units) - position <= FARTHEST
        if near and all(candidate.position != position for candidate in self._candidates):
            self._candidates.append(_Candidate(position))
