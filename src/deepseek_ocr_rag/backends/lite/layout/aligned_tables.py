"""Finds tables by alignment: rows whose cells are below each other, with or without rules.

The lines of a column of text are searched for runs of rows: lines with white gaps that have figures
after the first gap, or at least three cells. The gaps that most rows of a run share divide its
columns. The lines above that fit the columns are its head; a line without figures between two rows
is a heading of the rows below, or part of a label that takes two lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from ....document.tables import Cell, Table
from ....document.types import Block
from .columns import Region
from .joining import line_text
from .lines import Line, build_lines
from .pieces import LayoutPiece, extent, union_box
from .rules import RulePiece
from .table_lines import TableLine, ink_end, is_closing, is_figure, is_opening, runs_of
from .table_rows import Placed, PlacedCell, cells_of, head_cells, joined, place

__all__ = ["framed_table", "with_aligned_tables"]

_CELL_GAP = 0.9
"""Least white space between cells, in heights of a word; between words it is a third."""

_SHARED_GAP = 0.4
"""The same if most rows of a table have the gap in the same position."""

_TYPED_GAP = 0.75
"""The same on a page that is typed."""

_ROW_GAP = 3.2
"""Rows further apart, in heights of a word, belong to two tables."""

_FEWEST_ROWS = 2

_MOST_HEAD_LINES = 10

_LONG_RUN = 60
"""A run of more lines than this, if it is not a table, is not searched again from each of its
lines."""


def framed_table(
    pieces: Sequence[LayoutPiece],
    frames: Sequence[float],
    rules: Sequence[RulePiece],
    usual: float,
) -> tuple[Table, int] | None:
    """Make the table of the words in a frame whose rules divide its columns, but not its rows.

    Args:
        pieces: The words.
        frames: Positions of the rules between the columns.
        rules: All rules of the frame.
        usual: Typical height of a word.

    Returns:
        The table, and how many of its rows have figures; None if the alignment shows no rows.
    """
    rows = [TableLine(line, runs_of(line, _CELL_GAP * usual)) for line in build_lines(pieces)]
    start = next((i for i, row in enumerate(rows) if row.is_body and row.figures), len(rows))
    if len(rows) - start < _FEWEST_ROWS:
        return None
    found = _gaps_of_table(rows[start:], usual, is_ruled=True)
    gaps = found if len(found) > len(frames) else list(frames)
    head = head_cells(rows[:start], gaps, [r for r in rules if r.horizontal], usual)
    figures = sum(row.is_body and row.figures > 0 for row in rows)
    return Table((*head, *_body(rows[start:], gaps, usual))), figures


def with_aligned_tables(
    regions: Sequence[Region], rules: Sequence[RulePiece], usual: float
) -> list[Region]:
    """Return the regions, with one piece in place of the lines of each table found in them.

    ``usual`` is the typical height of a word.
    """
    level = [r for r in rules if r.horizontal]
    return [
        replace(region, lines=tuple(_with_tables(region.lines, level, usual))) for region in regions
    ]


def _with_tables(lines: Sequence[Line], rules: Sequence[RulePiece], usual: float) -> list[Line]:
    rows = [TableLine(line, runs_of(line, _CELL_GAP * usual)) for line in lines]
    result: list[Line] = []
    free = at = 0  # lines before ``free`` are in a table, or in the result
    while at < len(rows):
        end = _run_end(rows, at, usual)
        gaps: list[float] = []
        if end - at >= _FEWEST_ROWS:
            is_ruled = _has_rule(rows[at:end], rules, usual)
            is_divided = is_ruled and (
                _are_divided(rows[at:end], rules) or _are_enclosed(rows[at:end], rules, usual)
            )
            gaps = _gaps_of_table(rows[at:end], usual, is_ruled=is_ruled, is_divided=is_divided)
        if gaps:
            start = _head_start(rows, free, (at, end), gaps, rules, usual)
            if at > free and start == at and _introduces(rows[at - 1], rows[at], gaps, usual):
                above = _head_start(rows, free, (at - 1, end), gaps, rules, usual)
                start, at = (above, at - 1) if above < at - 1 else (start, at)
            result.extend(row.line for row in rows[free:start])
            table = Table(
                (*head_cells(rows[start:at], gaps, rules, usual), *_body(rows[at:end], gaps, usual))
            )
            result.append(_line_of(table, [row.line for row in rows[start:end]]))
            free = at = end
        else:
            # Searching a long run again from each line would take quadratic time.
            at = end if end - at > _LONG_RUN else at + 1
    return result + [row.line for row in rows[free:]]


def _line_of(table: Table, lines: Sequence[Line]) -> Line:
    pieces = [piece for line in lines for piece in line.pieces]
    box = union_box(pieces)
    block = Block("table", table.to_html(), (box,), html=table.to_html())
    return Line.of([LayoutPiece(*extent(pieces), box, block=block)])


def _run_end(rows: Sequence[TableLine], start: int, usual: float) -> int:
    """Find the end of the table rows that begin at ``start``; ``start`` if there are none."""
    if not rows[start].is_body:
        return start
    gaps = _gaps_of(rows[start])
    end = at = start + 1
    while at < len(rows) and at - end < 4:
        row = rows[at]
        if row.line.is_block or _apart(rows[at - 1].line, row.line, usual):
            break
        if row.is_body:
            left = _shared(gaps, _gaps_of(row), usual)
            if not left or len(left) < 0.5 * len(gaps):
                break
            gaps = left if len(left) >= 0.75 * len(gaps) else gaps
            end = at + 1
        elif (row.runs and not _may_stand_between(row, gaps, usual)) or (
            len(row.runs) == 1 and _is_set_off(rows, start, at)
        ):
            break
        at += 1
    return end


def _is_set_off(rows: Sequence[TableLine], start: int, at: int) -> bool:
    """Return whether a line is further from the row above than earlier rows are from each other.

    The lines of the head, which are closer, do not count.
    """
    start = next((i for i in range(start, at) if rows[i].figures), start)
    steps = [b.line.y_centre - a.line.y_centre for a, b in pairwise(rows[start : at + 1])]
    return len(steps) > 2 and steps[-1] > 1.6 * median(steps[:-1])


def _apart(above: Line, below: Line, usual: float) -> bool:
    return below.y0 - above.y1 > _ROW_GAP * usual


def _gaps_of(row: TableLine) -> list[tuple[float, float]]:
    edges = [(min(p.x0 for p in run), max(map(ink_end, run))) for run in row.runs]
    return [(a[1], b[0]) for a, b in pairwise(edges)]


def _shared(
    gaps: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]], usual: float
) -> list[tuple[float, float]]:
    """Return the parts of the gaps that are free in both rows."""
    found = []
    for left, right in gaps:
        for low, high in others:
            both = max(left, low), min(right, high)
            if both[1] - both[0] >= _SHARED_GAP * usual:
                found.append(both)
    return found


def _may_stand_between(row: TableLine, gaps: Sequence[tuple[float, float]], usual: float) -> bool:
    """Return whether a line that is not a row may be a heading or part of a label in a table."""
    if len(row.runs) > 1:
        return True
    left, right = row.line.x0, max(map(ink_end, row.runs[0]))
    # A line of text that runs through all columns ends a table, unless it is short.
    crossed = sum(left < low and right > high for low, high in gaps)
    return crossed < max(2, 0.5 * len(gaps)) or right - left < 12 * usual


def _gaps_of_table(
    rows: Sequence[TableLine], usual: float, *, is_ruled: bool = False, is_divided: bool = False
) -> list[float]:
    """Return the middles of the gaps between the columns of a table's rows; [] if not a table."""
    body = [row for row in rows if row.is_body]
    gaps = _with_signs(_column_gaps(body, usual), body, usual)
    if not gaps or len(body) < _FEWEST_ROWS:
        return []
    cells = [cell for row in body for cell in row.runs[1:]]
    figures = sum(map(is_figure, cells)) / max(1, len(cells))
    digits = sum(any(c.isdigit() for c in cell[0].text) for cell in cells) / max(1, len(cells))
    few = len(gaps) == 1 and (len(body) < 3 or figures < 0.7 or _is_contents(body))
    # Two lines may be aligned by chance, as in a running foot.
    few = few or (len(body) == 2 and (len(gaps) < 3 or figures < 0.6) and not is_ruled)
    many = len(gaps) >= 2 and len(body) >= 3 and digits >= 0.6
    return [] if few or (figures < 0.3 and not many and not is_divided) else gaps


def _head_start(
    rows: Sequence[TableLine],
    free: int,
    table: tuple[int, int],
    gaps: Sequence[float],
    rules: Sequence[RulePiece],
    usual: float,
) -> int:
    """Find the first line of the head of a table, whose rows are between two indices."""
    body, end = table
    figures = [row for row in rows[body:end] if row.is_body]
    left = min(row.line.x0 for row in figures)
    right = max(row.line.x1 for row in figures)
    wide = [r.at for r in rules if min(r.end, right) - max(r.start, left) > 0.6 * (right - left)]
    start = body
    ruled = None
    at = body
    while at > free and body - at < _MOST_HEAD_LINES:
        above, below = rows[at - 1], rows[at].line
        if above.line.is_block or _apart(above.line, below, usual):
            break
        if at < body and any(above.line.y_centre < y < rows[at].line.y_centre for y in wide):
            ruled = at
            break
        if above.line.x0 > right or above.line.x1 < left:
            break
        at -= 1
        if at == free or _apart(rows[at - 1].line, rows[at].line, usual):
            top = rows[at].line.y0
            if any(top - 1.5 * usual < y < rows[at].line.y_centre for y in wide):
                ruled = at
            break
    if ruled is not None:
        return ruled
    # Without a rule above, only lines with cells, or above the columns of figures, are the head.
    while start > free and body - start < 4:
        above = rows[start - 1]
        if above.line.is_block or _apart(above.line, rows[start].line, usual):
            break
        cells = len(above.runs) >= 2 or above.line.x0 > gaps[0]
        if not cells or above.line.x1 > right + 2 * usual:
            break
        start -= 1
    return start


def _introduces(row: TableLine, below: TableLine, gaps: Sequence[float], usual: float) -> bool:
    """Return whether a line is a label without figures that introduces the rows below it."""
    return (
        len(row.runs) == 1
        and row.line.x1 <= gaps[0]
        and row.line.text.rstrip().endswith(":")
        and not _apart(row.line, below.line, usual)
    )


def _has_rule(rows: Sequence[TableLine], rules: Sequence[RulePiece], usual: float) -> bool:
    """Return whether a rule as wide as the rows is near the first of them or between them."""
    x0 = min(row.line.x0 for row in rows)
    x1 = max(row.line.x1 for row in rows)
    top, bottom = rows[0].line.y0 - 5 * usual, rows[-1].line.y1 + usual
    return any(
        top < r.at < bottom and min(r.end, x1) - max(r.start, x0) > 0.6 * (x1 - x0) for r in rules
    )


def _are_divided(rows: Sequence[TableLine], rules: Sequence[RulePiece]) -> bool:
    """Return whether rules divide nearly all of at least three rows: their cells may be words."""
    lines = [row.line for row in rows if row.is_body]
    x0, x1 = min(line.x0 for line in lines), max(line.x1 for line in lines)
    wide = sorted(r.at for r in rules if min(r.end, x1) - max(r.start, x0) > 0.6 * (x1 - x0))
    between = sum(
        bisect_right(wide, below.y_centre) > bisect_left(wide, above.y_centre)
        for above, below in pairwise(lines)
    )
    return len(lines) > 2 and between >= 0.8 * (len(lines) - 1)


def _are_enclosed(rows: Sequence[TableLine], rules: Sequence[RulePiece], usual: float) -> bool:
    """Return whether rules lie below a head and below the last row: the cells may be words.

    At least three rows below the head have a text in each column.
    """
    lines = [row.line for row in rows if row.is_body]
    x0, x1 = min(line.x0 for line in lines), max(line.x1 for line in lines)
    wide = [r.at for r in rules if min(r.end, x1) - max(r.start, x0) > 0.8 * (x1 - x0)]
    head, first, last = lines[0], lines[1], lines[-1]
    below_head = any(head.y_centre < y < first.y_centre for y in wide)
    at_end = any(last.y_centre < y < last.y1 + usual for y in wide)
    counts = {len(row.runs) for row in rows[1:]}
    return below_head and at_end and len(lines) > 3 and len(counts) == 1


def _is_contents(body: Sequence[TableLine]) -> bool:
    """Return whether the rows are a table of contents or an index: titles with page numbers."""
    numbers = [run[-1].text for row in body for run in row.runs[-1:]]
    lists = sum(
        len(row.runs[-1]) > 1 and all(p.text.rstrip(",").isdigit() for p in row.runs[-1])
        for row in body
    )
    if lists >= 0.3 * len(body):
        return True
    if not all(n.isdigit() and len(n) <= 4 for n in numbers):
        return False
    values = list(map(int, numbers))
    return all(a <= b for a, b in pairwise(values))


def _with_signs(gaps: Sequence[float], body: Sequence[TableLine], usual: float) -> list[float]:
    """Return the gaps without those between a column of figures and a column of their signs."""
    held: list[list[str]] = [[] for _ in range(len(gaps) + 1)]
    for row in body:
        for column, cell in place(row.runs, gaps, usual).items():
            held[column].extend(p.text for line in cell.lines for p in line)
    dropped = set()
    for column, texts in enumerate(held):
        # The signs themselves were placed with their figures.
        if column < len(gaps) and all(map(is_opening, texts)):
            dropped.add(column)
        elif texts and column and all(is_closing(text) for text in texts):
            dropped.add(column - 1)
    return [gap for column, gap in enumerate(gaps) if column not in dropped]


def _column_gaps(body: Sequence[TableLine], usual: float) -> list[float]:
    """Return the middles of the gaps that nine of ten rows leave free, one between two columns."""
    words = [piece for row in body for piece in row.line.pieces]
    # In a monospaced font, a space is as wide as a letter.
    typed = sum(p.word is not None and p.word.monospaced for p in words) > 0.5 * len(words)
    least = (_TYPED_GAP if typed else _SHARED_GAP) * usual
    edges: list[tuple[float, int]] = []
    for row in body:
        for run in runs_of(row.line, least, _SHARED_GAP * usual):
            edges.append((min(p.x0 for p in run), 1))
            edges.append((max(map(ink_end, run)), -1))
    edges.sort()
    allowed = len(body) // 10
    gaps: list[tuple[float, float]] = []
    depth, is_new = 0, True
    for (x, step), (following, _) in pairwise(edges):
        depth += step
        if depth > allowed:
            is_new = True
        elif following - x >= _SHARED_GAP * usual:
            if is_new:
                gaps.append((x, following))
            elif following - x > gaps[-1][1] - gaps[-1][0]:
                gaps[-1] = (x, following)
            is_new = False
    return [(left + right) / 2 for left, right in gaps]


def _body(rows: Sequence[TableLine], gaps: Sequence[float], usual: float) -> list[tuple[Cell, ...]]:
    """Make the rows below the head; join lines that continue the row above or below them."""
    placed: list[Placed] = []
    pending: Placed | None = None
    for row in rows:
        cells = place(row.runs, gaps, usual)
        if pending is not None:
            cells = joined(pending, cells)
            pending = None
        if placed and not row.is_body and _goes_on(placed[-1], cells):
            placed[-1] = joined(placed[-1], cells)
        elif not row.is_body and len(row.runs) == 1 and _is_begun(row, rows):
            pending = {0: PlacedCell(1, cells[min(cells)].lines)}
        else:
            placed.append(cells)
    if pending is not None:
        placed.append(pending)
    return [cells_of(row, len(gaps) + 1) for row in placed]


def _goes_on(above: Placed, cells: Placed) -> bool:
    """Return whether a line without figures is the second line of the row above."""
    if not all(column in above for column in cells):
        return False
    first = min(cells)
    text = line_text(cells[first].lines[0])
    return first > 0 or text[:1].islower()


def _is_begun(row: TableLine, rows: Sequence[TableLine]) -> bool:
    """Return whether a line is the first part of the label of the row below it."""
    at = next(i for i, other in enumerate(rows) if other is row)
    if at + 1 >= len(rows) or not rows[at + 1].is_body:
        return False
    below = rows[at + 1]
    text, following = row.line.text, line_text(below.runs[0])
    return following[:1].islower() or text.rstrip()[-1:] in ",-–—("
