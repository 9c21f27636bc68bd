r"""Finds where a model repeats itself: the same words, a counter, endless empty cells.

A loop is a stretch of text that the text before it predicts (:mod:`.predictor`) for
longer than on any real page (:mod:`.loop_score`, and :mod:`.short_loops` for loops of
a few words that a rule against repeats disturbs). The search takes linear time, some
5 us a character, and works while the text is being written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

from .loop_score import CLEAN_COPIES, Stretch
from .predictor import CONTEXT, UnitPredictor
from .short_loops import Stutter
from .units import TextUnit, UnitStream

__all__ = ["Loop", "LoopKind", "RepetitionWatch", "find_loops"]

LoopKind = Literal["exact", "counting", "similar"]
"""Equal copies, copies whose numbers count up or down, or copies that differ here and there."""

SIMILAR: Final = 0.02
"""Share of unpredicted units from which copies count as "similar"."""

STRICTNESS: Final = 6.0
MILDNESS: Final = 1.25
"""Weight of a miss in the search for the beginning of a loop: the first for a loop that was
found without a miss, the second for any other."""

CLEAN_STREAK: Final = 12
"""Hits in a row that mark a beginning where nothing else does: more than the tags of a
block produce."""

_TABLE_TAG = re.compile(r"<(/?)table")
_FORMULA_TAG = re.compile(r"(?<!\\)\\(?:([\[(]|begin\{)|[\])]|end\{)")


@dataclass(frozen=True, slots=True)
class Loop:
    """A stretch of text that repeats the text before it."""

    start: int  # of the second copy: the text before it holds one whole copy
    end: int  # after the last copy
    kind: LoopKind
    period: float  # characters of one copy, on average
    copies: float  # the first one included


class RepetitionWatch:
    """Watches a text for loops while it is written. Not thread-safe."""

    def __init__(self) -> None:
        self._units = UnitStream()
        self._past = UnitPredictor()
        self._stretch = Stretch(0)
        self._stutter = Stutter(0)
        self._loops: list[Loop] = []
        self._since: int | None = None

    @property
    def length(self) -> int:
        """Characters of the text so far."""
        return self._units.length

    def feed(self, piece: str) -> int | None:
        """Add the next piece; return the :attr:`Loop.start` of the first loop once one is found."""
        self._take(self._units.push(piece))
        return self._since

    def finish(self, *, in_table: bool = False, in_formula: bool = False) -> tuple[Loop, ...]:
        """Return all loops in order; nothing may be fed afterwards.

        If the text breaks off inside a table or formula, a loop at its end needs less evidence, and
        a longer rest after a loop counts as part of it.
        """
        self._take(self._units.finish())
        if self._stretch.proven is not None or self._stretch.breaks_off(
            in_table=in_table, in_formula=in_formula
        ):
            self._keep(self._loop())
        if self._stutter.proven is not None:
            self._keep(self._stuttered())
        if self._loops:
            loop, length = self._loops[-1], self._units.length
            whole = loop.end - loop.start if in_table or in_formula else loop.period
            if length - loop.end <= whole / 2 or self._cut_inside_a_unit(loop):
                self._loops[-1] = replace(loop, end=length)
        return tuple(self._loops)

    def _take(self, units: Iterable[TextUnit]) -> None:
        for unit in units:
            prediction = self._past.add(unit)
            self._stretch.add(unit, prediction)
            self._stutter.add(unit, prediction)
            if self._since is None:
                if self._stretch.proven is not None:
                    self._since = self._loop().start
                elif self._stutter.proven is not None:
                    self._since = self._stuttered().start
            if self._stretch.is_over:
                if self._stretch.proven is not None:
                    self._keep(self._loop())
                self._stretch = Stretch(len(self._past.units))
            if self._stutter.is_over:
                if self._stutter.proven is not None:
                    self._keep(self._stuttered())
                self._stutter = Stutter(len(self._past.units))

    def _cut_inside_a_unit(self, loop: Loop) -> bool:
        """Whether the text breaks off within a unit that continues the loop."""
        units = self._past.units
        lag = self._past.predictions[-2].lag
        return (
            lag > 0
            and units[-2].end == loop.end
            and units[-1].text != ""
            and units[-1 - lag].text.startswith(units[-1].text)
        )

    def _keep(self, loop: Loop) -> None:
        """Add a loop, merged with those that it overlaps."""
        others = []
        for other in self._loops:
            if other.start < loop.end and loop.start < other.end:
                loop = _joined(other, loop)
            else:
                others.append(other)
        self._loops = sorted([*others, loop], key=lambda one: one.start)

    def _stuttered(self) -> Loop:
        first, last = self._stutter.begin(self._past), self._stutter.last
        past = self._past.predictions[first : last + 1]
        lag = round(median(prediction.distance for prediction in past))
        return self._between(first, last, lag, "similar")

    def _between(self, first: int, last: int, lag: int, kind: LoopKind) -> Loop:
        repeats = max(1.0, (last + 1 - first) / lag)
        start, end = self._past.units[first].start, self._past.units[last].end
        return Loop(start, end, kind, (end - start) / repeats, 1 + repeats)

    def _loop(self) -> Loop:
        past, last = self._past, self._stretch.last
        first = _second_copy(past, self._stretch)
        hits = [prediction for prediction in past.predictions[first : last + 1] if prediction.lag]
        kind: LoopKind = "counting" if any(hit.counted for hit in hits) else "exact"
        if len(hits) < (1 - SIMILAR) * (last + 1 - first - CONTEXT):
            kind = "similar"
        lag = round(median(hit.lag for hit in hits))
        left = last + 2 * CONTEXT < len(past.units)
        if left and kind != "similar" and last + 1 - first > lag:
            # What follows a loop may begin like another copy, for instance with the same tag.
            last = first + (last + 1 - first) // lag * lag - 1
        return self._between(first, last, lag, kind)


def _joined(one: Loop, other: Loop) -> Loop:
    longest = max(one, other, key=lambda loop: loop.end - loop.start)
    start, end = min(one.start, other.start), max(one.end, other.end)
    return replace(longest, start=start, end=end, copies=1 + (end - start) / longest.period)


def find_loops(text: str, watch: RepetitionWatch | None = None) -> tuple[Loop, ...]:
    """Find the loops of a page's text, in order; a ``watch`` that was fed its start continues."""
    watch = watch or RepetitionWatch()
    watch.feed(text[watch.length :])
    # If fewer end than begin, the text breaks off inside one.
    tables = Counter(bool(match[1]) for match in _TABLE_TAG.finditer(text))
    formulas = Counter(bool(match[1]) for match in _FORMULA_TAG.finditer(text))
    return watch.finish(
        in_table=tables[False] > tables[True], in_formula=formulas[True] > formulas[False]
    )


def _second_copy(past: UnitPredictor, stretch: Stretch) -> int:
    """Find the unit with which the second copy of a loop begins.

    A stretch may begin earlier, with text that only resembles what precedes it: the tags of blocks,
    the words of an exercise. So a stricter form of the same test finds the beginning.
    """
    proven = stretch.last if stretch.proven is None else stretch.proven
    strictness = STRICTNESS if stretch.clean else MILDNESS
    begin, score = stretch.first, 0.0
    for position in range(stretch.first, proven + 1):
        unit = past.units[position]
        score += unit.hit if past.predictions[position].lag else -strictness * unit.miss
        if score <= 0:
            begin, score = position + 1, 0.0
    if proven + 1 - begin < CLEAN_COPIES * past.predictions[proven].lag:
        begin = _first_streak(past, stretch.first, proven)
    # The first units of the second copy were not predicted: they were the context.
    lag = max(1, past.predictions[begin].lag)
    while begin > lag and past.units[begin - 1].text == past.units[begin - 1 - lag].text:
        begin -= 1
    return begin


def _first_streak(past: UnitPredictor, first: int, last: int) -> int:
    streak = 0
    for position in range(first, last + 1):
        streak = streak + 1 if past.predictions[position].lag else 0
        if streak == CLEAN_STREAK:
            return position + 1 - streak
    return first
