"""Foretells each unit of a text from the units before it.

What followed the last times that the same few units stood together is expected
to follow again; a number may also go on counting. This is the match model of
lossless compressors (C. Bloom, "Solving the problems of context modeling", 1998),
made to look at several places at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .units import TextUnit

__all__ = ["NEVER", "Prediction", "UnitPredictor"]

CONTEXT: Final = 4
"""Units that must stand together again before what follows them is foretold."""

NO_NUMBERS: Final = (None,) * CONTEXT

FARTHEST: Final = 2000
"""Units that a place may lie back: twice some 400 tokens of dense formula."""

PLACES: Final = 4
"""Places whose continuation is expected at once: the last two where the same
units stood with the same numbers, and the last two with any."""

MOST_DOUBT: Final = 3.0
"""Misses after which a place is given up; four hits take one back."""

LARGEST_STEP: Final = 100
"""The most that a counter moves from one copy to the next."""

NEVER: Final = 10**9
"""The distance of a unit that comes for the first time."""


class Prediction(NamedTuple):
    """How a unit was foretold.

    ``distance`` is small in "n/a n/a n/a" and in a matrix of zeros.
    """

    lag: int  # units back to what it was foretold from; 0 where it was not foretold
    counted: bool  # whether it is the next number of a counter
    distance: int  # units back to the same unit, wherever foretold from; or NEVER


@dataclass(slots=True)
class _Place:
    """Where in the past the text seems to be again."""

    position: int
    doubt: float = 0.0


class UnitPredictor:
    """The units so far, and how each was foretold."""

    def __init__(self) -> None:
        self.units: list[TextUnit] = []
        self.predictions: list[Prediction] = []
        self._texts: tuple[str, ...] = ()
        self._values: tuple[int | None, ...] = ()
        self._seen: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._followed: tuple[int, ...] = ()
        self._last_seen: dict[tuple[str, int | None], int] = {}
        self._places: list[_Place] = []

    def add(self, unit: TextUnit) -> Prediction:
        """Take the next unit; tells how it was foretold, from the nearest place if from several."""
        here = len(self.units)
        self.units.append(unit)
        self._texts = (*self._texts[1 - CONTEXT :], unit.text)
        self._values = (*self._values[1 - CONTEXT :], unit.value)
        lag, by_counting = 0, False
        for place in self._places:
            counted = self._comes_again(here, place.position)
            if counted is None:
                place.doubt += 1.0
            else:
                place.doubt = max(0.0, place.doubt - 0.25)
                if not lag or here - place.position < lag:
                    lag, by_counting = here - place.position, counted
            place.position += 1
        self._places = [place for place in self._places if place.doubt < MOST_DOUBT]
        prediction = Prediction(lag, by_counting, self._distance(unit, here))
        self.predictions.append(prediction)
        self._look_up(foretold=lag > 0)
        return prediction

    def _distance(self, unit: TextUnit, here: int) -> int:
        key = unit.text, unit.value
        before = self._last_seen.get(key)
        self._last_seen[key] = here
        return NEVER if before is None else here - before

    def _comes_again(self, here: int, position: int) -> bool | None:
        """Whether by counting; None where the unit is another one than at ``position``."""
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

    def _look_up(self, *, foretold: bool) -> None:
        """Expect what followed these last few units before, numbers the same or not."""
        here = len(self.units)
        if here < CONTEXT:
            return
        if not foretold and self.units[-1].value is not None:
            # A number that is new may be the next one of a counter.
            for position in self._followed:
                if self.units[position].value is not None:
                    self._try(position + 1)
        self._meet(self._texts, here, foretold)
        if self._values != NO_NUMBERS:
            self._meet((self._texts, self._values), here, foretold)
        if len(self._places) > PLACES:
            self._places = sorted(self._places, key=lambda place: place.doubt)[:PLACES]

    def _meet(self, context: tuple[object, ...], here: int, foretold: bool) -> None:
        self._followed = self._seen.get(context, ())
        self._seen[context] = (here, *self._followed[:1])
        if not foretold:
            for position in self._followed:
                self._try(position)

    def _try(self, position: int) -> None:
        near = len(self.units) - position <= FARTHEST
        if near and all(place.position != position for place in self._places):
            self._places.append(_Place(position))
