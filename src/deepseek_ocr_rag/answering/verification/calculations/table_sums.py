"""Computes sums and means of table columns, and checks which rows they cover."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from ....text.numerals import Number
from ....text.terms import content_terms
from ..citable_units import TableKey
from ..comparison import ClaimComparison
from ..row_labels import TOTAL
from ..table_figures import Figure

__all__ = ["column_sums", "counted_rows", "is_of_some_rows"]

MOST_COUNTED: Final = 30
"""Most rows that a number may count."""


def counted_rows(
    number: Number, comparison: ClaimComparison, sums: Iterable[Sequence[Figure]]
) -> frozenset[int]:
    """The rows that a number counts, if another number is their sum or mean; otherwise none.

    "Together the three orchards gave 18.45 t": the word after "three" must be in the table's head
    or introduction, and the table must have no other rows.
    """
    if number.unit or number.scale or number.value > MOST_COUNTED:
        return frozenset()
    behind = content_terms(comparison.claim.facts.plain[number.span[1] :])[:1]
    for operands in sums:
        rows = {figure.row for figure in operands}
        if len(rows) == number.value and not _rows_left(rows, comparison):
            above = frozenset.intersection(
                *(comparison.units[row][1].citable.terms_above for row in rows)
            )
            if comparison.among(comparison.claim.words.intersection(behind), above):
                return frozenset(rows)
    return frozenset()


def column_sums(
    rows: Sequence[tuple[Figure, ...]], comparison: ClaimComparison
) -> Iterator[tuple[Decimal, tuple[Figure, ...]]]:
    """The column sums of tables whose head the claim names, if it names none of their rows."""
    tables: dict[TableKey | None, list[int]] = {}
    for at, row in enumerate(rows):
        unit = comparison.units[at][1]
        if row and unit.citable.is_row and TOTAL.isdisjoint(unit.citable.terms):
            tables.setdefault(unit.citable.table, []).append(at)
    for places in tables.values():
        units = [comparison.units[at][1].citable for at in places]
        above = frozenset.intersection(*(unit.terms_above for unit in units))
        one_row = len(places) < 2 or len({len(rows[at]) for at in places}) > 1
        if one_row or not comparison.named(above):
            continue
        if any(comparison.named(unit.terms - above - TOTAL) for unit in units):
            continue
        for column in zip(*(rows[at] for at in places), strict=True):
            if not any(figure.is_percent for figure in column):
                yield sum((figure.value for figure in column), Decimal()), column


def is_of_some_rows(operands: Sequence[Figure], comparison: ClaimComparison) -> bool:
    """Whether a sum or mean covers only some rows of a table, none of which is named.

    "In total the orchards have 215 trees" is false if 215 is the sum of two of three orchards.
    """
    rows = {figure.row for figure in operands}
    if len(rows) < 2:
        return False
    left = _rows_left(rows, comparison)
    return left > 0 and not any(
        comparison.named(comparison.units[row][1].citable.terms - TOTAL) for row in rows
    )


def _rows_left(rows: Collection[int], comparison: ClaimComparison) -> int:
    """How many other rows with figures their table has, not counting totals."""
    units = [comparison.units[row][1] for row in rows]
    if not all(unit.citable.is_row for unit in units):
        return 0
    return sum(
        bool(other.figures) and other not in units and TOTAL.isdisjoint(other.citable.terms)
        for other in comparison.table_of(units[0])
    )
