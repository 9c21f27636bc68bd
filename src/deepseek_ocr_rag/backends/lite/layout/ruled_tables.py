"""Finds tables that are drawn with rules: full grids, and rows between horizontal rules.

The rules of a grid divide it into slots; neighbouring slots without a rule between
them form one cell. If a table has only horizontal rules, white gaps through its rows
separate the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ....document.tables import Cell, Table
from ....document.types import Block
from .aligned_tables import framed_table
from .joining import join_lines
from .lines import Line, build_lines
from .pieces import LayoutPiece, extent, union_box, without
from .rules import MAX_RULES, RulePiece, connected, distinct_positions, whole_rules
from .table_lines import runs_of

__all__ = ["find_tables"]

MAX_LINES = 120
"""Most rows or columns of a table's grid; the grid of a plot has more."""

_RUN_GAP = 0.7
"""Least white space, in heights of a word, that divides words at the edge of a column."""


def find_tables(
    pieces: Sequence[LayoutPiece], rules: Sequence[RulePiece], usual: float
) -> tuple[list[LayoutPiece], list[LayoutPiece]]:
    """Find the tables that are drawn with rules.

    Args:
        pieces: The words of the page.
        rules: Its rules.
        usual: Typical height of a word.

    Returns:
        The words outside of the tables, and one piece with the HTML of each table.
    """
    rules = whole_rules(rules, 0.35 * usual)
    if not 2 <= len(rules) <= MAX_RULES:
        return list(pieces), []
    remaining = list(pieces)
    tables: list[LayoutPiece] = []
    for group in connected(rules, tolerance=0.35 * usual):
        held, table = _grid_table(remaining, group, usual)
        if table is not None:
            tables.append(_piece(held, table))
            remaining = without(remaining, held)
    return remaining, tables


def _within(piece: LayoutPiece, x0: float, x1: float) -> bool:
    return x0 <= (piece.x0 + piece.x1) / 2 <= x1


def _piece(held: Sequence[LayoutPiece], table: Table) -> LayoutPiece:
    box = union_box(held)
    block = Block("table", table.to_html(), (box,), html=table.to_html())
    return LayoutPiece(*extent(held), box, block=block)


def _grid_table(
    pieces: Sequence[LayoutPiece], rules: Sequence[RulePiece], usual: float
) -> tuple[list[LayoutPiece], Table | None]:
    tolerance = 0.35 * usual
    level = [r for r in rules if r.horizontal]
    upright = [r for r in rules if not r.horizontal]
    # A table may be open on the left and right, where its horizontal rules end.
    xs = distinct_positions(
        [r.at for r in upright] + [v for r in level for v in (r.start, r.end)], tolerance
    )
    ys = distinct_positions(
        [r.at for r in level] + [v for r in upright for v in (r.start, r.end)], tolerance
    )
    if not (3 <= len(xs) <= MAX_LINES and 3 <= len(ys) <= MAX_LINES):
        return [], None
    held = [p for p in pieces if ys[0] < p.y_centre < ys[-1] and _within(p, xs[0], xs[-1])]
    cells = _cells(xs, ys, level, upright, tolerance)
    filled: dict[tuple[int, int], list[LayoutPiece]] = {}
    owner = {slot: cell for cell, slots in cells.items() for slot in slots}
    for piece in held:
        column = _interval(xs, (piece.x0 + piece.x1) / 2)
        row = _interval(ys, piece.y_centre)
        filled.setdefault(owner[(row, column)], []).append(piece)
    _split_wide_cells(cells, filled, xs, usual)
    _split_tall_cells(cells, filled, ys)
    rows = len({row for row, _ in filled})
    columns = len({column for _, column in filled})
    if rows < 2 or columns < 2 or len(filled) < 0.3 * len(cells):
        return [], None
    table = _table(cells, filled, len(ys) - 1)
    framed = framed_table(held, xs[1:-1], rules, usual)
    if framed is not None and framed[1] >= 1.5 * len(table.rows):
        # The rules frame groups of rows; alignment shows the rows.
        return held, framed[0]
    return held, table


def _split_wide_cells(
    cells: Cells,
    filled: dict[tuple[int, int], list[LayoutPiece]],
    xs: Sequence[float],
    usual: float,
) -> None:
    """Cut cells over several columns if there are white gaps at the columns' edges.

    Many tables have upright rules only in their head.
    """
    for corner in [c for c, slots in cells.items() if slots[-1][1] > c[1] and c in filled]:
        slots, held = cells[corner], filled[corner]
        (top, first), (bottom, last) = slots[0], slots[-1]
        runs = [run for line in build_lines(held) for run in runs_of(line, _RUN_GAP * usual)]
        parts: dict[int, list[LayoutPiece]] = {}
        for run in runs:
            x0, x1 = run[0].x0, max(p.x1 for p in run)
            column = _interval(xs, (x0 + x1) / 2)
            if x0 < xs[column] - 0.3 * usual or x1 > xs[column + 1] + 0.3 * usual:
                break
            parts.setdefault(column, []).extend(run)
        else:
            if len(parts) > 1:
                del cells[corner], filled[corner]
                for column in range(first, last + 1):
                    cells[top, column] = [(row, column) for row in range(top, bottom + 1)]
                    if column in parts:
                        filled[top, column] = parts[column]


def _split_tall_cells(
    cells: Cells, filled: dict[tuple[int, int], list[LayoutPiece]], ys: Sequence[float]
) -> None:
    """Cut cells over several rows if they have a line for each row.

    In some tables the column of labels is framed as a whole.
    """
    for corner in [c for c, slots in cells.items() if slots[-1][0] - c[0] >= 2 and c in filled]:
        slots = cells[corner]
        (top, first), (bottom, last) = slots[0], slots[-1]
        lines = build_lines(filled[corner])
        rows = [_interval(ys, line.y_centre) for line in lines]
        if len(set(rows)) < len(rows) or len(rows) < 0.7 * (bottom - top + 1):
            continue
        del cells[corner], filled[corner]
        for row in range(top, bottom + 1):
            cells[row, first] = [(row, column) for column in range(first, last + 1)]
        for row, line in zip(rows, lines, strict=True):
            filled[row, first] = list(line.pieces)


def _interval(lines: Sequence[float], value: float) -> int:
    return max(0, min(len(lines) - 2, sum(line <= value for line in lines) - 1))


Cells = dict[tuple[int, int], list[tuple[int, int]]]
"""All slots that a cell covers, by its upper left slot ``(row, column)``."""


def _cells(
    xs: Sequence[float],
    ys: Sequence[float],
    level: Sequence[RulePiece],
    upright: Sequence[RulePiece],
    tolerance: float,
) -> Cells:
    near_x = [[r for r in upright if abs(r.at - x) <= tolerance] for x in xs]
    near_y = [[r for r in level if abs(r.at - y) <= tolerance] for y in ys]
    right = {
        (r, c): _drawn(near_x[c + 1], ys[r], ys[r + 1])
        for r in range(len(ys) - 1)
        for c in range(len(xs) - 2)
    }
    below = {
        (r, c): _drawn(near_y[r + 1], xs[c], xs[c + 1])
        for r in range(len(ys) - 2)
        for c in range(len(xs) - 1)
    }
    taken: set[tuple[int, int]] = set()
    cells: Cells = {}
    for r in range(len(ys) - 1):
        for c in range(len(xs) - 1):
            if (r, c) in taken:
                continue
            last = c
            while right.get((r, last)) is False and (r, last + 1) not in taken:
                last += 1
            end = r
            while all(below.get((end, k)) is False for k in range(c, last + 1)) and all(
                right.get((end + 1, k)) is False for k in range(c, last)
            ):
                end += 1
            slots = [(i, k) for i in range(r, end + 1) for k in range(c, last + 1)]
            taken.update(slots)
            cells[(r, c)] = slots
    return cells


def _drawn(rules: Sequence[RulePiece], start: float, end: float) -> bool:
    """Return whether these rules cover at least half of the interval."""
    covered = sum(max(0.0, min(end, r.end) - max(start, r.start)) for r in rules)
    return covered >= 0.5 * (end - start)


def _table(cells: Cells, filled: dict[tuple[int, int], list[LayoutPiece]], row_count: int) -> Table:
    lines = {slot: build_lines(pieces) for slot, pieces in filled.items()}
    levels = [_levels(cells, lines, row) for row in range(row_count)]
    rows: list[list[Cell]] = [[] for _ in range(sum(map(len, levels)))]
    first = [sum(map(len, levels[:row])) for row in range(row_count)]
    for (row, column), slots in sorted(cells.items()):
        end = slots[-1][0]
        width = slots[-1][1] - column + 1
        held = lines.get((row, column), [])
        if end > row:
            height = sum(map(len, levels[row : end + 1]))
            rows[first[row]].append(Cell(_cell_text(held), width, height))
            continue
        parts: list[list[Line]] = [[] for _ in levels[row]]
        for line in held:
            parts[_nearest(levels[row], (line.y0 + line.y1) / 2)].append(line)
        for i, part in enumerate(parts):
            rows[first[row] + i].append(Cell(_cell_text(part), width))
    return Table(tuple(map(tuple, rows)))


def _cell_text(lines: Sequence[Line]) -> str:
    return join_lines([line.text for line in lines]) if lines else ""


def _nearest(levels: Sequence[float], y: float) -> int:
    return min(range(len(levels)), key=lambda i: abs(levels[i] - y))


def _levels(cells: Cells, lines: dict[tuple[int, int], list[Line]], row: int) -> list[float]:
    """Find the y positions of the rows of text in one row of the grid.

    Many tables have only one rule below the head and one at the end. Each line of text is a row if
    at least three cells have about as many lines, all of them level; two cells are enough if one
    holds numbers (the lines of two wrapped texts may be level by chance).
    """
    stacks = [
        [(line.y0 + line.y1) / 2 for line in lines[slot]]
        for slot, slots in cells.items()
        if slot[0] == row and slots[-1][0] == row and slot in lines
    ]
    longest = max(stacks, key=len, default=[0.0])
    numbers = any(
        sum(any(c.isdigit() for c in line.text) for line in held) >= 0.8 * len(longest)
        for slot, held in lines.items()
        if slot[0] == row
    )
    is_head = row == 0 and not numbers and any(slot[0] > 0 for slot in lines)
    if len(longest) < 2 or is_head:
        return [longest[0]]
    pitch = min(b - a for a, b in pairwise(longest))
    level = [
        stack
        for stack in stacks
        if len(stack) >= 0.8 * len(longest)
        and all(abs(longest[_nearest(longest, y)] - y) < 0.25 * pitch for y in stack)
    ]
    enough = 2 if numbers else 3
    if len(level) >= enough and len(level) >= 0.6 * len(stacks):
        return longest
    return [longest[0]]
