"""Puts the words of a table's lines into its columns, and makes rows and heads from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ....document.tables import Cell
from .joining import join_lines, line_text
from .lines import Line
from .pieces import LayoutPiece
from .rules import RulePiece
from .table_lines import TableLine, ink_end, is_leader, is_opening

__all__ = ["Placed", "PlacedCell", "cells_of", "head_cells", "joined", "place"]


@dataclass(frozen=True, slots=True)
class PlacedCell:
    """A cell's width in columns, and its words, line by line."""

    width: int
    lines: tuple[tuple[LayoutPiece, ...], ...]


Placed = dict[int, PlacedCell]
"""The cells of a row by their first column."""


def place(runs: Sequence[Sequence[LayoutPiece]], gaps: Sequence[float], usual: float) -> Placed:
    """Put the words of one line into columns.

    Args:
        runs: The words, split at white gaps.
        gaps: Positions between the columns.
        usual: Typical height of a word.
    """
    cells: Placed = {}
    parts = [part for run in runs for part in _split(run, gaps, usual)]
    for part, following in pairwise([*parts, []]):
        # A sign belongs to the figure after it, however far that is.
        while following and len(part) and is_opening(part[-1].text) and _is_digit(following[0]):
            following.insert(0, part.pop())
    for part in filter(None, parts):
        end = max(ink_end(p) for p in part if not is_leader(p) or len(part) == 1)
        start = next((p for p in part if not is_opening(p.text)), part[0]).x0
        first = sum(gap <= start + 0.1 * usual for gap in gaps)
        last = max(first, sum(gap < end - 0.1 * usual for gap in gaps))
        middle = sum(gap <= (start + end) / 2 for gap in gaps)
        _put(cells, first, last, part, middle)
    return cells


def _is_digit(piece: LayoutPiece) -> bool:
    return any(c.isdigit() for c in piece.text) or set(piece.text) <= set("-–—−(")


def _put(cells: Placed, first: int, last: int, part: Sequence[LayoutPiece], middle: int) -> None:
    """Add words that span the columns ``first`` to ``last``, with their middle in ``middle``."""
    for column, cell in cells.items():
        if column <= first < column + cell.width == middle == last:
            # "Keeper  Containers": the longer of two names begins over the column before its own.
            first = column + cell.width
            continue
        if first < column + cell.width and column <= last:
            width = max(cell.width, last - column + 1)
            cells[column] = PlacedCell(width, ((*cell.lines[0], *part),))
            return
    cells[first] = PlacedCell(last - first + 1, (tuple(part),))


def _split(
    run: Sequence[LayoutPiece], gaps: Sequence[float], usual: float
) -> list[list[LayoutPiece]]:
    """Cut a run of words at the columns' gaps that none of its words crosses."""
    parts: list[list[LayoutPiece]] = [[run[0]]]
    for left, right in pairwise(run):
        between = any(left.x1 - 0.2 * usual <= gap <= right.x0 + 0.2 * usual for gap in gaps)
        if between and right.x0 - left.x1 > 0.4 * usual:
            parts.append([right])
        else:
            parts[-1].append(right)
    return parts


def joined(upper: Placed, lower: Placed) -> Placed:
    """Join two lines to one row: the words of each column go below each other."""
    cells = dict(upper)
    for column, cell in lower.items():
        held = next(
            (
                c
                for c, other in cells.items()
                if c < column + cell.width and column < c + other.width
            ),
            None,
        )
        if held is None:
            cells[column] = cell
        else:
            width = max(cells[held].width, column + cell.width - held)
            cells[held] = PlacedCell(width, (*cells[held].lines, *cell.lines))
    return cells


def cells_of(row: Placed, columns: int) -> tuple[Cell, ...]:
    """Return the cells of a row, including empty ones."""
    cells: list[Cell] = []
    at = 0
    while at < columns:
        held = row.get(at)
        width = min(held.width, columns - at) if held else 1
        # A cell must not cover the column of the next one.
        width = min([width, *(c - at for c in row if c > at)])
        cells.append(Cell(_text(held) if held else "", width))
        at += width
    return tuple(cells)


def _text(cell: PlacedCell) -> str:
    return join_lines([line_text(line) for line in cell.lines])


def head_cells(
    rows: Sequence[TableLine], gaps: Sequence[float], rules: Sequence[RulePiece], usual: float
) -> list[tuple[Cell, ...]]:
    """Make the rows of a table's head.

    A rule below a heading that is shorter than the table shows which columns the heading is for.
    Lines below each other without such a rule between them are one row of the head.
    """
    if not rows:
        return []
    placed: list[Placed] = []
    spanning: list[bool] = []
    for i, row in enumerate(rows):
        below = rows[i + 1].line.y0 if i + 1 < len(rows) else row.line.y1 + usual
        cells, spans = _widened(place(row.runs, gaps, usual), row.line, below, gaps, rules, usual)
        if placed and not spanning[-1]:
            placed[-1] = joined(placed[-1], cells)
            spanning[-1] = spans
        else:
            placed.append(cells)
            spanning.append(spans)
    return _with_rowspans(placed, len(gaps) + 1)


def _widened(
    cells: Placed,
    line: Line,
    below: float,
    gaps: Sequence[float],
    rules: Sequence[RulePiece],
    usual: float,
) -> tuple[Placed, bool]:
    """Widen cells to the columns of the rules below them; also return whether any cell is wide."""
    found: Placed = {}
    spans = False
    near = [r for r in rules if line.y0 + 0.5 * line.height < r.at < below + 0.3 * usual]
    for column, cell in cells.items():
        x0, x1 = cell.lines[0][0].x0, max(p.x1 for p in cell.lines[0])
        rule = next((r for r in near if r.start - usual <= x0 and x1 <= r.end + usual), None)
        first, width = column, cell.width
        if rule is not None:
            first = sum(gap < rule.start + 0.3 * usual for gap in gaps)
            last = sum(gap < rule.end - 0.3 * usual for gap in gaps)
            # A rule below all columns divides the head from the rows.
            if last > first and last - first < len(gaps):
                width, spans = last - first + 1, True
            else:
                first = column
        if width > 1:
            spans = True
        if any(first < c + other.width and c < first + width for c, other in found.items()):
            first, width = column, cell.width
        found[first] = PlacedCell(width, cell.lines)
    return found, spans


def _with_rowspans(rows: Sequence[Placed], columns: int) -> list[tuple[Cell, ...]]:
    """Make the head's rows; a column without a wide cell becomes one cell from top to bottom."""
    if len(rows) == 1:
        return [cells_of(rows[0], columns)]
    wide = {
        c
        for row in rows
        for column, cell in row.items()
        if cell.width > 1
        for c in range(column, column + cell.width)
    }
    texts = {
        c: join_lines([_text(row[c]) for row in rows if c in row])
        for c in range(columns)
        if c not in wide
    }
    result: list[tuple[Cell, ...]] = []
    for i, row in enumerate(rows):
        cells: list[Cell] = []
        at = 0
        while at < columns:
            if at in texts:
                if i == 0:
                    cells.append(Cell(texts[at], 1, len(rows)))
                at += 1
                continue
            held = row.get(at)
            width = min(held.width, columns - at) if held else 1
            width = min([width, *(c - at for c in (*row, *texts) if c > at)])
            cells.append(Cell(_text(held) if held else "", width))
            at += width
        result.append(tuple(cells))
    return result
