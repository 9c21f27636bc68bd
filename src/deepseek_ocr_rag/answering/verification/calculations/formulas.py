"""Computes formulas from the rows of statements, for each year that the rows have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, product
from typing import Final

from ..table_figures import Figure
from .financial_terms import Formula, LineItem

__all__ = ["LabelledRow", "computed"]

MOST_ROWS: Final = 3
"""Most rows that a line item may mean: a statement and its notes name it more than once."""

MOST_CHOICES: Final = 64
"""Most combinations of rows to try for one formula."""

_Value = tuple[Decimal, tuple[Figure, ...]]


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A row of figures with the stems of its label."""

    label: frozenset[str]
    figures: tuple[Figure, ...]


def computed(
    formula: Formula, rows: Sequence[LabelledRow], years: frozenset[int], *, changes: bool
) -> Iterator[_Value]:
    """The values of a formula, each with the figures that it was computed from.

    Args:
        formula: What to compute.
        rows: All rows with a label.
        years: The years asked for. If there are none, or no column has one, every column counts.
        changes: Whether to include the differences between years.
    """
    items = (*formula.numerator, *formula.denominator)
    choices = [_rows_of(item, rows) for item in items]
    for chosen in islice(product(*choices), MOST_CHOICES):
        values = list(_by_column(formula, chosen, years))
        yield from values
        if changes:
            for one, other in product(values, values):
                if one is not other:
                    yield one[0] - other[0], (*one[1], *other[1])


def _rows_of(item: LineItem, rows: Sequence[LabelledRow]) -> list[LabelledRow]:
    """The rows that an item may mean: those with its words and the fewest others."""
    found: list[LabelledRow] = []
    for phrase in item.phrases:
        having = [row for row in rows if phrase <= row.label and row.figures]
        having.sort(key=lambda row: len(row.label - phrase))
        if having:
            least = len(having[0].label - phrase)
            found += [r for r in having if len(r.label - phrase) == least and r not in found]
        if len(found) >= MOST_ROWS:
            break
    return found[:MOST_ROWS]


def _by_column(
    formula: Formula, rows: Sequence[LabelledRow], years: frozenset[int]
) -> Iterator[_Value]:
    split = len(formula.numerator)
    items = (*formula.numerator, *formula.denominator)
    dated = all(figure.years for row in rows for figure in row.figures)
    if dated:
        keys = sorted({year for row in rows for f in row.figures for year in f.years})
        wanted: list[int] = [key for key in keys if key in years] or keys
    else:
        wanted = list(range(max(len(row.figures) for row in rows)))
    for key in wanted:
        found = [_value(item, row, key, dated=dated) for item, row in zip(items, rows, strict=True)]
        values = [pair for pair in found if pair is not None]
        if len(values) < len(found):
            continue
        above = sum((value for value, _ in values[:split]), Decimal())
        below = sum((value for value, _ in values[split:]), Decimal())
        operands = tuple(figure for _, figures in values for figure in figures)
        if not formula.denominator:
            yield above, operands
        elif below:
            yield formula.factor * above / below, operands


def _value(item: LineItem, row: LabelledRow, key: int, *, dated: bool) -> _Value | None:
    """The value of an item in a column, by year or by position, with its sign."""
    own = _figure(row, key, dated=dated)
    if own is None:
        return None
    if not item.is_average:
        return item.sign * abs(own.value), (own,)
    before = _figure(row, key - 1 if dated else key + 1, dated=dated)
    if before is None:
        return None
    return item.sign * (own.value + before.value) / 2, (own, before)


def _figure(row: LabelledRow, key: int, *, dated: bool) -> Figure | None:
    if dated:
        return next((figure for figure in row.figures if key in figure.years), None)
    return row.figures[key] if 0 <= key < len(row.figures) else None
