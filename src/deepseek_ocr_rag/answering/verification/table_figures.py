"""Finds the figures of sentences and table rows, signed and scaled for calculation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ...document.table_heads import cells_of_row
from ...text.dates import dates
from ...text.numerals import is_year, numbers
from ...text.plain_text import plain_text
from .lexicon import Direction
from .table_columns import head_terms, heads_of_columns

__all__ = [
    "LONGEST",
    "Figure",
    "column_totals",
    "directions_of_figures",
    "figures_of",
    "is_row_of_figures",
    "with_years",
]

LONGEST: Final = 20
"""Most characters of a figure; a longer number is a code."""

_YEAR: Final = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
_CELL: Final = re.compile(r"[^\s|]+")
_FIGURE: Final = re.compile(r"[-−–+($€£¥]*[0-9][0-9.,]*[)%]*|[-−–$€£¥]")
_FOOTNOTE: Final = re.compile(r"(?<=[^\W\d_])\([0-9]{1,2}\)")
_OPENS: Final = re.compile(r"\(\s?[$€£¥]?\s?$")
_MINUS: Final = re.compile(r"(?:^|[\s|;])[$€£¥]?[-−–][$€£¥]?$")
_PERCENT: Final = re.compile(r"(\(|(?<![^\s|])[-−–])?\s?[0-9]{1,30}(?:[.,][0-9]{1,30})?\s?\)?\s?%")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a source states.

    Its value is negative if it is in parentheses or after a minus, and is multiplied by a
    "million" after it.
    """

    value: Decimal
    is_percent: bool  # whether a percent sign follows it
    row: int  # index of its sentence or table row
    column: int  # how many figures come before it there
    span: tuple[int, int]  # ``(start, end)`` in its sentence
    sentence: str  # or table row, without markup
    years: frozenset[int] = frozenset()  # those that the head of its column names, or its row
    heads: frozenset[str] = frozenset()  # the terms of that head


def figures_of(plain: str, row: int) -> tuple[Figure, ...]:
    """The figures of a sentence or table row, without dates, years and footnote marks."""
    no_figures = [*(date.span for date in dates(plain))]
    no_figures += [match.span() for match in _FOOTNOTE.finditer(plain)]
    found: list[Figure] = []
    for number in sorted(numbers(plain), key=lambda number: number.span):
        start, end = number.span
        if any(s < end and start < e for s, e in no_figures) or is_year(number.text):
            continue
        if (found and found[-1].span == number.span) or len(number.text) > LONGEST:
            continue
        value = number.value
        before = plain[max(0, start - 4) : start]
        in_parentheses = _OPENS.search(before) and plain.startswith((")", " )", "%)"), end)
        sign = -1 if in_parentheses or _MINUS.search(before) else 1
        value = sign * value.scaleb(number.scale)
        found.append(Figure(value, number.unit == "percent", row, len(found), number.span, plain))
    return tuple(found)


def with_years(figures: Sequence[Figure], row: str, heads: Sequence[str]) -> tuple[Figure, ...]:
    """The figures of a table row, without those of its label, with the heads of their columns.

    A row whose label is in the line above the table has no label of its own. If no head names a
    year, the row's label may.

    Args:
        figures: As :func:`figures_of` gives them.
        row: The row, in the markup of its page.
        heads: The rows of its table's head.
    """
    cells = cells_of_row(row)
    if len(cells) < 2:
        return tuple(figures)
    counts = [len(figures_of(plain_text(cell), 0)) for cell in cells]
    if sum(counts) != len(figures):
        return tuple(figures)
    above = heads_of_columns(row, tuple(heads))
    found: list[Figure] = []
    top = " ".join(above[0])
    # A number below "Age" is a label, one below "December 2, 2022" a figure.
    named = cells[0] if _YEAR.search(top) else cells[0] + top
    first = 1 if any(map(str.isalpha, plain_text(named))) else 0
    rest = iter(figures[counts[0] if first else 0 :])
    for column in range(first, len(cells)):
        years = frozenset(int(year) for year in _YEAR.findall(" ".join(above[column])))
        words = head_terms(above[column])
        for _ in range(counts[column]):
            figure = next(rest)
            found.append(replace(figure, years=years, heads=words, column=len(found)))
    if not any(figure.years for figure in found):
        years = frozenset(map(int, _YEAR.findall(cells[0])))
        if len(years) == 1:
            return tuple(replace(figure, years=years) for figure in found)
    return tuple(found)


def is_row_of_figures(plain: str) -> bool:
    """Whether at least half of a text are figures, as in a table row without markup.

    Example:
        >>> is_row_of_figures("International 46,363 46,619 (0.6)%")
        True
    """
    cells = _CELL.findall(plain)
    return 0 < len(cells) <= 2 * sum(map(bool, map(_FIGURE.fullmatch, cells)))


def directions_of_figures(plain: str) -> frozenset[Direction]:
    """The directions, up or down, that the signs of a row's percentages show.

    A table does not say "increased"; accountants put negative numbers in parentheses. Text that
    is not a row of figures shows no direction.
    """
    if not is_row_of_figures(plain):
        return frozenset()
    return frozenset("down" if match[1] else "up" for match in _PERCENT.finditer(plain))


def column_totals(
    rows: Sequence[Sequence[Figure]], row: Sequence[Figure]
) -> Iterator[tuple[Figure, Figure]]:
    """Pair each figure of a row with figures that are a sum over its column, this row included."""
    width = len(row)
    for figure in row:
        first = last = figure.row
        while first > 0 and len(rows[first - 1]) >= width:
            first -= 1
        above = Decimal()
        sums_above = {above}
        for index in range(first, figure.row):
            above += rows[index][figure.column].value
            sums_above.add(above)
        total = above
        while last < len(rows) and len(rows[last]) >= width:
            total += rows[last][figure.column].value
            below = rows[last + 1] if last + 1 < len(rows) else ()
            for whole in (*rows[last][width:], *below):
                # The sum may begin at the row itself or at one above it.
                starts = sums_above if last > figure.row else sums_above - {above}
                if total - whole.value in starts:
                    yield figure, whole
            last += 1
