"""Tables with horizontal rules only: white gaps through the rows separate their columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ....document.tables import Cell, Table
from .lines import Line, build_lines
from .pieces import LayoutPiece
from .rules import RulePiece

__all__ = ["open_table", "ruled_spans"]


def ruled_spans(
    rules: Sequence[RulePiece], usual: float
) -> list[tuple[float, float, float, float]]:
    """Areas ``(top, bottom, x0, x1)`` between the first and the last of aligned horizontal rules."""
    stacks: list[list[RulePiece]] = []
    for rule in sorted(rules, key=lambda r: r.at):
        if rule.end - rule.start < 8 * usual:
            continue
        for stack in stacks:
            last = stack[-1]
            if abs(last.start - rule.start) <= usual and abs(last.end - rule.end) <= usual:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    return [(s[0].at, s[-1].at, s[0].start, s[0].end) for s in stacks if len(s) >= 2]


def open_table(pieces: Sequence[LayoutPiece], usual: float) -> Table | None:
    """A table of the rows between two rules, if white gaps separate clear columns."""
    if not pieces:
        return None
    lines = build_lines(pieces)
    # Most rows decide, not all: a heading over several columns closes gaps.
    wide = [line for line in lines if len(_segments(line, usual)) >= 2]
    if len(wide) < 2 or len(wide) < 0.6 * len(lines):
        return None
    gaps = _common_gaps(wide, usual)
    if not gaps:
        return None
    rows = [_open_row(line, gaps, usual) for line in lines]
    return Table(tuple(rows))


def _segments(line: Line, usual: float) -> list[list[LayoutPiece]]:
    """The runs of words of a line between gaps wider than a space."""
    runs: list[list[LayoutPiece]] = []
    for piece in sorted(line.pieces, key=lambda p: p.x0):
        if runs and piece.x0 - max(p.x1 for p in runs[-1]) < 0.9 * usual:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _common_gaps(lines: Sequence[Line], usual: float) -> list[float]:
    """The middles of the white gaps that nine out of ten lines leave free."""
    edges: list[tuple[float, int]] = []
    for line in lines:
        for run in _segments(line, usual):
            edges.append((run[0].x0, 1))
            edges.append((max(p.x1 for p in run), -1))
    edges.sort()
    allowed = len(lines) // 10
    gaps: list[float] = []
    depth = 0
    for (x, step), (following, _) in pairwise(edges):
        depth += step
        if depth <= allowed and following - x >= 0.6 * usual:
            gaps.append((x + following) / 2)
    return gaps


def _open_row(line: Line, gaps: Sequence[float], usual: float) -> tuple[Cell, ...]:
    held: dict[int, list[LayoutPiece]] = {}
    reach: dict[int, int] = {}
    for run in _segments(line, usual):
        x0, x1 = run[0].x0, max(p.x1 for p in run)
        first, last = (sum(gap <= x for gap in gaps) for x in (x0, x1))
        if first in held or any(first <= f + w and f <= last for f, w in reach.items()):
            first = next((f for f, w in reach.items() if first <= f + w and f <= last), first)
        held.setdefault(first, []).extend(run)
        reach[first] = max(reach.get(first, 0), last - first)
    cells: list[Cell] = []
    column = 0
    while column <= len(gaps):
        width = reach.get(column, 0) + 1
        pieces = held.get(column, [])
        cells.append(Cell(Line.of(pieces).text if pieces else "", width))
        column += width
    return tuple(cells)
