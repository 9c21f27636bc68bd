"""Tables that are drawn with rules: full grids, and rows between horizontal rules.

A grid's lines are where its rules are; two neighbouring places are one cell
where no rule stands between them. Where a table has horizontal rules only, its
columns are the white gaps that run through its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ....document.tables import Cell, Table
from ....document.types import Block
from .joining import join_lines
from .lines import Line, build_lines
from .open_tables import open_table, ruled_spans
from .pieces import LayoutPiece, extent, union_box
from .rules import RulePiece, connected, distinct_places, whole_rules

__all__ = ["find_tables"]

MAX_LINES = 120
"""Most rows or columns of a drawn grid; a plot's grid paper has more."""

MAX_RULES = 1500
"""A page with more rules, once those that continue each other are one, is a drawing."""


def find_tables(
    pieces: Sequence[LayoutPiece], rules: Sequence[RulePiece], usual: float
) -> tuple[list[LayoutPiece], list[LayoutPiece]]:
    """Take the tables that rules draw out of a page.

    Args:
        pieces: The page's words.
        rules: Its rules.
        usual: Height of a usual word.

    Returns:
        The words that remain, and one piece for each table, whose block has the
        table's HTML as its text.
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
            taken = set(map(id, held))
            remaining = [p for p in remaining if id(p) not in taken]
    loose = [r for r in rules if r.horizontal]
    for top, bottom, x0, x1 in ruled_spans(loose, usual):
        held = [p for p in remaining if top < p.y_centre < bottom and _within(p, x0, x1)]
        table = open_table(held, usual)
        if table is not None and not _crowded(remaining, held, (x0, top, x1, bottom)):
            tables.append(_piece(held, table))
            taken = set(map(id, held))
            remaining = [p for p in remaining if id(p) not in taken]
    return remaining, tables


def _within(piece: LayoutPiece, x0: float, x1: float) -> bool:
    return x0 <= (piece.x0 + piece.x1) / 2 <= x1


def _crowded(
    pieces: Sequence[LayoutPiece],
    held: Sequence[LayoutPiece],
    area: tuple[float, float, float, float],
) -> bool:
    """Whether words outside of the area reach into it: then it is no table of its own."""
    x0, top, x1, bottom = area
    inside = set(map(id, held))
    return any(
        top < p.y_centre < bottom and p.x0 < x1 and p.x1 > x0 for p in pieces if id(p) not in inside
    )


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
    # A table may be open at its left and right: there its level rules end.
    xs = distinct_places(
        [r.at for r in upright] + [v for r in level for v in (r.start, r.end)], tolerance
    )
    ys = distinct_places(
        [r.at for r in level] + [v for r in upright for v in (r.start, r.end)], tolerance
    )
    if not (3 <= len(xs) <= MAX_LINES and 3 <= len(ys) <= MAX_LINES):
        return [], None
    held = [p for p in pieces if ys[0] < p.y_centre < ys[-1] and _within(p, xs[0], xs[-1])]
    cells = _cells(xs, ys, level, upright, tolerance)
    filled: dict[tuple[int, int], list[LayoutPiece]] = {}
    owner = {place: cell for cell, places in cells.items() for place in places}
    for piece in held:
        column = _slot(xs, (piece.x0 + piece.x1) / 2)
        row = _slot(ys, piece.y_centre)
        filled.setdefault(owner[(row, column)], []).append(piece)
    rows = len({row for row, _ in filled})
    columns = len({column for _, column in filled})
    if rows < 2 or columns < 2 or len(filled) < 0.3 * len(cells):
        return [], None
    return held, _table(cells, filled, len(ys) - 1)


def _slot(lines: Sequence[float], value: float) -> int:
    return max(0, min(len(lines) - 2, sum(line <= value for line in lines) - 1))


Places = dict[tuple[int, int], list[tuple[int, int]]]


def _cells(
    xs: Sequence[float],
    ys: Sequence[float],
    level: Sequence[RulePiece],
    upright: Sequence[RulePiece],
    tolerance: float,
) -> Places:
    """The grid's cells: the upper left place of each, and all places that it covers."""
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
    cells: Places = {}
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
            places = [(i, k) for i in range(r, end + 1) for k in range(c, last + 1)]
            taken.update(places)
            cells[(r, c)] = places
    return cells


def _drawn(rules: Sequence[RulePiece], start: float, end: float) -> bool:
    """Whether these rules cover half of the way."""
    covered = sum(max(0.0, min(end, r.end) - max(start, r.start)) for r in rules)
    return covered >= 0.5 * (end - start)


def _table(
    cells: Places, filled: dict[tuple[int, int], list[LayoutPiece]], row_count: int
) -> Table:
    lines = {place: build_lines(pieces) for place, pieces in filled.items()}
    levels = [_levels(cells, lines, row) for row in range(row_count)]
    rows: list[list[Cell]] = [[] for _ in range(sum(map(len, levels)))]
    first = [sum(map(len, levels[:row])) for row in range(row_count)]
    for (row, column), places in cells.items():
        end = places[-1][0]
        width = places[-1][1] - column + 1
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


def _levels(cells: Places, lines: dict[tuple[int, int], list[Line]], row: int) -> list[float]:
    """Heights of the rows of text that one row of the grid holds.

    Many tables have a rule below the head and one at the end only. Where
    cells have as many lines, all level, they are rows: three cells or more, or
    two with a column of numbers (two wrapped texts may be level by chance).
    """
    stacks = [
        [(line.y0 + line.y1) / 2 for line in lines[place]]
        for place, places in cells.items()
        if place[0] == row and places[-1][0] == row and place in lines
    ]
    longest = max(stacks, key=len, default=[0.0])
    if len(longest) < 2:
        return [longest[0]]
    pitch = min(b - a for a, b in pairwise(longest))
    level = [
        stack
        for stack in stacks
        if len(stack) >= 0.8 * len(longest)
        and all(abs(longest[_nearest(longest, y)] - y) < 0.25 * pitch for y in stack)
    ]
    numbers = any(
        sum(any(c.isdigit() for c in line.text) for line in held) >= 0.8 * len(longest)
        for place, held in lines.items()
        if place[0] == row
    )
    enough = 2 if numbers else 3
    if len(level) >= enough and len(level) >= 0.6 * len(stacks):
        return longest
    return [longest[0]]
