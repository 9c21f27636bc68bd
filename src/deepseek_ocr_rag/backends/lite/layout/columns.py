"""Finds the reading order: cuts a page into regions of one column each.

The cut is recursive. From the top down, it looks for the longest stack of strips
through which a white gutter runs with columns of text on both sides; the columns
are cut in turn, left before right. Everything above, between and below such stacks
is one column. So a heading over two columns is read first, a table between two
pairs of columns divides them, and a sidebar stays in one piece.

White gaps also run through tables, lists and forms, which are read row by row:
:func:`.gutters.are_columns` tells them from columns of text. Columns of text do not go on below a
rule that crosses them, and text with rules below it on both sides of a gap is the head of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .gutters import are_columns, are_texts
from .joining import is_rtl
from .lines import Line, build_lines
from .pieces import LayoutPiece, extent, typical_height
from .rules import LevelRules, RulePiece
from .strips import Gap, Strip, cut_strips, divides, has_head, merged

__all__ = ["Region", "reading_order"]

MAX_DEPTH = 12
"""Most levels of columns within columns; far more than any page has."""

MAX_TRIES = 6
"""How many ends of a stack are tried for each start."""

MAX_GAPS = 64
"""A stack with more white gaps side by side is not followed further down."""

EFFORT = 100
"""How often, on average, a word may be looked at in search of columns. The pages of
the test data need up to 38. Once it is used up, the rest of a page is read row by row."""

MAX_EFFORT = 250_000
"""Most words looked at on the whole page: a few seconds."""

MARGIN = 0.08
"""Share of the page's height, at the top and at the bottom, where running heads and feet are."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the page that is read line by line, between the edges of its column."""

    lines: tuple[Line, ...]  # from top to bottom
    x0: float
    x1: float


def reading_order(
    pieces: Sequence[LayoutPiece], page_height: float, rules: Sequence[RulePiece] = ()
) -> list[Region]:
    """Cut an upright page into columns, in reading order; every piece is in exactly one of them."""
    if not pieces:
        return []
    level = LevelRules(rules, typical_height(pieces))
    rtl = is_rtl("".join(p.text for p in pieces))
    budget = _CutBudget(min(MAX_EFFORT, EFFORT * (len(pieces) + 50)))
    head, body, foot = _furniture(cut_strips(pieces), typical_height(pieces), page_height)
    regions: list[Region] = []
    for part in (head, body, foot):
        if part:
            held = [p for strip in part for p in strip.pieces]
            regions.extend(
                _cut(held, rtl, MAX_DEPTH, budget, level) if part is body else [_region(held)]
            )
    return regions


@dataclass(slots=True)
class _CutBudget:
    """The remaining work, counted in words to look at."""

    left: int

    def take(self, words: int) -> bool:
        """Spend work; return False once there is none left."""
        self.left -= words
        return self.left >= 0


def _region(pieces: Sequence[LayoutPiece]) -> Region:
    x0, _, x1, _ = extent(pieces)
    return Region(tuple(build_lines(pieces)), x0, x1)


def _furniture(
    strips: Sequence[Strip], usual: float, page_height: float
) -> tuple[Sequence[Strip], Sequence[Strip], Sequence[Strip]]:
    """Split strips into running head, body and running foot.

    Heads and feet are single lines at the edges of the page, set off by white space.
    """
    first, last = 0, len(strips)
    gaps = [below.y0 - above.y1 for above, below in pairwise(strips)]
    # On a page with wide line spacing, a line at the edge must be set off by more than that.
    least = max(0.9 * usual, 1.2 * median(gaps)) if len(gaps) > 4 else 0.9 * usual

    def is_edge(strip: Strip, neighbour: Strip) -> bool:
        gap = max(strip.y0, neighbour.y0) - min(strip.y1, neighbour.y1)
        return strip.y1 - strip.y0 < 2.5 * usual and gap > least

    while last - first > 1 and strips[first].y1 < MARGIN * page_height:
        if not is_edge(strips[first], strips[first + 1]):
            break
        first += 1
    while last - first > 1 and strips[last - 1].y0 > (1 - MARGIN) * page_height:
        if not is_edge(strips[last - 1], strips[last - 2]):
            break
        last -= 1
    return strips[:first], strips[first:last], strips[last:]


def _cut(
    pieces: Sequence[LayoutPiece], rtl: bool, depth: int, budget: _CutBudget, level: LevelRules
) -> list[Region]:
    strips = cut_strips(pieces)
    x0, _, x1, _ = extent(pieces)
    usual = typical_height(pieces)
    regions: list[Region] = []
    single: list[LayoutPiece] = []
    number = 0
    while number < len(strips):
        found = _stack(strips, number, (x0, x1), usual, budget, level) if depth else None
        if found is None:
            single.extend(strips[number].pieces)
            number += 1
            continue
        if single:
            regions.append(_region(single))
            single = []
        end, sides = found
        for side in reversed(sides) if rtl else sides:
            regions.extend(_cut(side, rtl, depth - 1, budget, level))
        number = end
    if single:
        regions.append(_region(single))
    return regions


def _stack(
    strips: Sequence[Strip],
    start: int,
    column: Gap,
    usual: float,
    budget: _CutBudget,
    level: LevelRules,
) -> tuple[int, tuple[list[LayoutPiece], list[LayoutPiece]]] | None:
    """Find the longest run of strips from ``start`` that a gutter divides into columns.

    Returns:
        The end of the run and the pieces on both sides of the gutter; None if there is no run.
    """
    covered: list[Gap] = []
    ends: list[tuple[int, list[Gap]]] = []
    for end in range(start, len(strips)):
        if end > start and divides(strips[end - 1], strips[end], column, level, usual):
            break
        covered = merged([*covered, *strips[end].runs])
        gaps = [(a[1], b[0]) for a, b in pairwise(covered)]
        if not any(right - left >= 0.6 * usual for left, right in gaps) and (
            covered[0][0] - column[0] < usual and column[1] - covered[-1][1] < usual
        ):
            break
        if len(gaps) > MAX_GAPS or not budget.take(len(covered) // 4 + 1):
            break
        ends.append((end + 1, gaps))
    # Ends with the same number of gaps differ little: only the last of them is tried.
    ends.reverse()
    tries = [e for i, e in enumerate(ends) if i == 0 or len(e[1]) != len(ends[i - 1][1])]
    for end, gaps in tries[:MAX_TRIES]:
        held = [p for strip in strips[start:end] for p in strip.pieces]
        sides = _divide(held, gaps, usual, budget)
        if sides is not None and (
            not has_head(strips, start, end, sides, level, usual) or are_texts(*sides)
        ):
            return end, sides
    return None


def _divide(
    pieces: Sequence[LayoutPiece], gaps: Sequence[Gap], usual: float, budget: _CutBudget
) -> tuple[list[LayoutPiece], list[LayoutPiece]] | None:
    """Divide at the widest gap with columns on both sides; None if there is none."""
    for left, right in sorted(gaps, key=lambda gap: gap[0] - gap[1])[:6]:
        if right - left < 0.6 * usual or not budget.take(len(pieces)):
            break
        middle = (left + right) / 2
        sides = [p for p in pieces if p.x1 <= middle], [p for p in pieces if p.x1 > middle]
        if are_columns(*sides, gap=right - left, usual=usual):
            return sides
    return None
