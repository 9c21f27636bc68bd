"""Finds the reading order: cuts a page into regions of one column each.

The cut is recursive. From the top down, it looks for the longest stack of strips
through which a white gutter runs with columns of text on both sides; the columns
are cut in turn, left before right. Everything above, between and below such stacks
is one column. So a heading over two columns is read first, a table between two
pairs of columns divides them, and a sidebar stays in one piece.

White gaps also run through tables, lists and forms, which are read row by row:
:func:`.gutters.are_columns` tells them from columns of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .gutters import are_columns
from .joining import is_rtl
from .lines import Line, build_lines
from .pieces import LayoutPiece, extent, typical_height

__all__ = ["Region", "reading_order"]

Gap = tuple[float, float]

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


@dataclass(frozen=True, slots=True)
class _Strip:
    """Pieces between two white stripes across the whole width."""

    pieces: tuple[LayoutPiece, ...]
    y0: float
    y1: float
    # The horizontal intervals that the pieces cover, including the spaces between words:
    # a space in a heading must not look like part of a gutter below it.
    runs: tuple[Gap, ...]


def reading_order(pieces: Sequence[LayoutPiece], page_height: float) -> list[Region]:
    """Cut an upright page into columns, in reading order; every piece is in exactly one of them."""
    if not pieces:
        return []
    rtl = is_rtl("".join(p.text for p in pieces))
    budget = _CutBudget(min(MAX_EFFORT, EFFORT * (len(pieces) + 50)))
    head, body, foot = _furniture(_strips(pieces), typical_height(pieces), page_height)
    regions: list[Region] = []
    for part in (head, body, foot):
        if part:
            held = [p for strip in part for p in strip.pieces]
            regions.extend(_cut(held, rtl, MAX_DEPTH, budget) if part is body else [_region(held)])
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
    strips: Sequence[_Strip], usual: float, page_height: float
) -> tuple[Sequence[_Strip], Sequence[_Strip], Sequence[_Strip]]:
    """Split strips into running head, body and running foot.

    Heads and feet are single lines at the edges of the page, set off by white space.
    """
    first, last = 0, len(strips)
    gaps = [below.y0 - above.y1 for above, below in pairwise(strips)]
    # On a page with wide line spacing, a line at the edge must be set off by more than that.
    least = max(0.9 * usual, 1.2 * median(gaps)) if len(gaps) > 4 else 0.9 * usual

    def is_edge(strip: _Strip, neighbour: _Strip) -> bool:
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


def _strips(pieces: Sequence[LayoutPiece]) -> list[_Strip]:
    """Cut at every white stripe across the whole width.

    A fifth of each word's height is ignored at both edges: if a font's boxes are larger than its
    letters, the boxes of neighbouring lines touch.
    """
    strips: list[_Strip] = []
    held: list[LayoutPiece] = []
    bottom = float("-inf")
    for piece in sorted(pieces, key=lambda p: _core(p)[0]):
        y0, y1 = _core(piece)
        if held and y0 > bottom:
            strips.append(_strip(held))
            held = []
        held.append(piece)
        bottom = max(bottom, y1)
    if held:
        strips.append(_strip(held))
    return strips


def _core(piece: LayoutPiece) -> tuple[float, float]:
    trim = 0.2 * piece.height if piece.word is not None else 0.0
    return piece.y0 + trim, piece.y1 - trim


def _strip(pieces: Sequence[LayoutPiece]) -> _Strip:
    _, y0, _, y1 = extent(pieces)
    runs: list[Gap] = []
    for line in build_lines(pieces):
        held = sorted(line.pieces, key=lambda p: p.x0)
        for left, right in pairwise(held):
            if right.x0 - left.x1 < 0.5 * max(left.height, right.height):
                runs.append((left.x0, max(left.x1, right.x1)))
        runs.extend((p.x0, p.x1) for p in held)
    return _Strip(tuple(pieces), y0, y1, tuple(_merged(runs)))


def _cut(pieces: Sequence[LayoutPiece], rtl: bool, depth: int, budget: _CutBudget) -> list[Region]:
    strips = _strips(pieces)
    x0, _, x1, _ = extent(pieces)
    usual = typical_height(pieces)
    regions: list[Region] = []
    single: list[LayoutPiece] = []
    number = 0
    while number < len(strips):
        found = _stack(strips, number, (x0, x1), usual, budget) if depth else None
        if found is None:
            single.extend(strips[number].pieces)
            number += 1
            continue
        if single:
            regions.append(_region(single))
            single = []
        end, sides = found
        for side in reversed(sides) if rtl else sides:
            regions.extend(_cut(side, rtl, depth - 1, budget))
        number = end
    if single:
        regions.append(_region(single))
    return regions


def _stack(
    strips: Sequence[_Strip], start: int, column: Gap, usual: float, budget: _CutBudget
) -> tuple[int, tuple[list[LayoutPiece], list[LayoutPiece]]] | None:
    """Find the longest run of strips from ``start`` that a gutter divides into columns.

    Returns:
        The end of the run and the pieces on both sides of the gutter; None if there is no run.
    """
    covered: list[Gap] = []
    ends: list[tuple[int, list[Gap]]] = []
    for end in range(start, len(strips)):
        if end > start and _is_break(strips[end - 1], strips[end], usual):
            break
        covered = _merged([*covered, *strips[end].runs])
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
        if sides is not None:
            return end, sides
    return None


def _is_break(above: _Strip, below: _Strip, usual: float) -> bool:
    """Return whether columns end at a white stripe: it is wide, or a heading follows it."""
    gap = below.y0 - above.y1
    if gap > 2.5 * usual:
        return True
    first = min(below.pieces, key=lambda p: p.x0 + p.y0)
    return gap > 0.6 * usual and first.word is not None and first.height > 1.3 * usual


def _merged(intervals: Sequence[Gap]) -> list[Gap]:
    merged: list[Gap] = []
    for left, right in sorted(intervals):
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


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
