"""Derives a number that the sources do not state from their figures."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final

from ....text.dates import Date
from ....text.numerals import Number, is_year
from ....text.terms import terms, with_stems
from ..alignment import is_displaced
from ..citable_units import CitableUnit
from ..comparison import ClaimComparison
from ..facts import years_in
from ..parts.designations import named_spans
from ..parts.elsewhere import is_of_other_part
from ..row_labels import TOTAL, row_label
from ..statements import FactualUnit
from ..table_figures import Figure
from .calculation import Calculation, Result
from .financial_terms import formulas_asked
from .formulas import LabelledRow, computed
from .operation_words import Operation, named_calculation
from .table_sums import column_sums, is_of_some_rows

__all__ = ["Derivation", "derivation", "difference_of_claimed"]

MOST_CLAIMED: Final = 6
"""Most numbers of a statement to subtract from each other; of more, any number is a difference."""

_COMPARING: Final[frozenset[Operation]] = frozenset(("ratio", "share", "difference"))

_PART_END: Final = re.compile(r"\b(?:and|und|while|whereas)\b|;")


@dataclass(frozen=True, slots=True)
class Derivation:
    """The origin of a calculated number."""

    units: frozenset[int]  # indices of those that it was calculated from
    naming: frozenset[str]  # terms of statement and question that name the calculation
    operands: tuple[Figure, ...] = ()
    is_of_all: bool = False  # whether it is their sum or mean


def derivation(
    number: Number, comparison: ClaimComparison, least: Sequence[float]
) -> Derivation | None:
    """Find the figures in the sources that give a number which no unit states.

    A year is never a result. Operands come from units whose overlap is at least a given share of
    the best unit's; ``least`` lists these shares, which are tried in turn.
    """
    if is_year(number.text):
        return None
    said, question = comparison.claim.facts, comparison.question
    others = {*said.numbers, *question.facts.numbers} - {number}
    given = [other.value for other in others if not is_year(other.text)]
    rows = _rows(comparison)
    named = named_calculation(number, said.plain, question.text)
    years = comparison.years
    # "The growth in 2019" means growth from the year before.
    before = {min(years) - 1} if len(years) == 1 and "change" in named.operations else set()
    calculation = Calculation(number, said.plain, question.text, given, years | before)
    labelled = _labelled(
        [_of_whole_heads(row, comparison, named.naming) for row in rows], comparison
    )
    is_known = False
    for formula in formulas_asked(f"{question.text}\n{said.plain}"):
        changes = bool(named.operations & {"change", "difference"})
        values = list(computed(formula, labelled, years, changes=changes))
        is_known = is_known or (formula.is_measure and bool(values))
        if result := calculation.result_among(values):
            units = frozenset(figure.row for figure in result.operands)
            return Derivation(units, named.naming | formula.name, result.operands)
    if is_known:
        # The named measure has another value; do not look for some other ratio that matches.
        return None
    if years:
        only = before
        if named.operations & {"total", "average"}:
            only = set(range(min(years), max(years)))
        rows = [_of_years(row, years | only) for row in rows]
    whole = rows
    # "75 % of the seats were sold" names only a part of the head "Tickets sold".
    partly = [_of_named_columns(row, comparison) for row in rows]
    rows = [_of_whole_heads(row, comparison, named.naming) for row in rows]
    narrowed = [_of_named_columns(row, comparison) for row in rows]
    # A comparison of two years may take both figures from one row.
    compares = bool(named.operations & _COMPARING) and "change" not in named.operations
    compares = compares and len(years) < 2
    pools = [rows, narrowed]
    pools += [partly] if "share" in named.operations else []
    pools += [whole] if "whole" in named.operations else []
    if named.operations & {"total", "average"} and not named.is_percent:
        # If no head is named, some of these pools are equal.
        sums = dict.fromkeys(each for pool in pools for each in column_sums(pool, comparison))
        means = [(value / len(figures), figures) for value, figures in sums]
        values = [*sums] if "total" in named.operations else means
        if result := calculation.result_among(values):
            units = frozenset(figure.row for figure in result.operands)
            return Derivation(units, named.naming, result.operands, is_of_all=True)
    for pool in (each for at, each in enumerate(pools) if each not in pools[:at]):
        result = _result(
            calculation, number, comparison, pool, least, before=before, compares=compares
        )
        if result is not None:
            units = frozenset(figure.row for figure in result.operands)
            return Derivation(units, named.naming, result.operands, result.is_of_all)
    return None


def difference_of_claimed(
    number: Number, comparison: ClaimComparison, units: Mapping[Number | Date, frozenset[int]]
) -> Derivation | None:
    """Find two other numbers of the statement whose difference is this number.

    Both must be in the sources. "From 36.8 % to 34.6 %, a drop of 2.2" is accepted, although
    the figures before rounding may differ by 2.1.
    """
    named = named_calculation(number, comparison.claim.facts.plain, comparison.question.text)
    if is_year(number.text) or not named.operations & {"change", "difference"}:
        return None
    known = [
        (other, units[other])
        for other in comparison.claim.facts.numbers
        if other is not number and units.get(other) and not is_year(other.text)
    ]
    for (one, places), (other, others) in combinations(known[:MOST_CLAIMED], 2):
        alike = one.unit == other.unit and one.scale == other.scale == number.scale
        if alike and abs(one.value - other.value) == number.value:
            return Derivation(places | others, named.naming)
    return None


def _result(
    calculation: Calculation,
    number: Number,
    comparison: ClaimComparison,
    rows: Sequence[tuple[Figure, ...]],
    least: Sequence[float],
    *,
    before: Collection[int],
    compares: bool,
) -> Result | None:
    part = _closest_part(rows, comparison)
    overlap = comparison.overlap_around(number)
    best = max((overlap[place] for place, row in enumerate(rows) if row), default=0)
    possible = [
        at
        for at in range(len(rows))
        if (_may_be_operand(comparison, at) or _is_of_year(comparison.units[at][1], before))
        and not is_of_other_part(comparison, comparison.units[at][1], number)
    ]
    named = [at for at in possible if comparison.has_label_of(at)]
    compared = _compared_rows(named, comparison) if compares else frozenset()
    pools = [named]
    pools += [
        [at for at in possible if 0 < share * best <= comparison.smoothed(overlap, at)]
        for share in least
    ]
    for near in pools:
        result = calculation.result_of(part) or calculation.result(rows, near)
        if (
            result
            and not _is_of_totals_alone(comparison, result)
            and not _is_displaced(number, comparison, near, result)
            and (not compared or _is_between(result, compared, comparison))
            and not (result.is_of_all and is_of_some_rows(result.operands, comparison))
        ):
            return result
    return None


def _compared_rows(named: Sequence[int], comparison: ClaimComparison) -> frozenset[frozenset[str]]:
    """The labels of the named rows, if there are several to compare."""
    labels = frozenset(row_label(comparison.units[at][1].citable) for at in named)
    # "Vans" names "Van A", but not "All vans".
    said = frozenset(label for label in labels if label == comparison.rows.said_among(label))
    labels = said if len(said) > 1 else labels
    return labels if len(labels) > 1 else frozenset()


def _is_between(
    result: Result, compared: frozenset[frozenset[str]], comparison: ClaimComparison
) -> bool:
    """Whether the operands come from named rows, and from more than one of them."""
    rows = {figure.row for figure in result.operands}
    labels = {row_label(comparison.units[row][1].citable) for row in rows}
    return len(labels) > 1 and labels <= compared


def _is_of_totals_alone(comparison: ClaimComparison, result: Result) -> bool:
    """Whether all operands are totals, although a row that is only a part of them is named."""
    return all(
        comparison.is_beside_named_row(comparison.units[figure.row][1])
        for figure in result.operands
    )


def _may_be_operand(comparison: ClaimComparison, index: int) -> bool:
    """Whether a row is named, is a total, or has no named row beside it."""
    unit = comparison.units[index][1]
    return not TOTAL.isdisjoint(terms(unit.citable.text)) or not comparison.is_beside_named_row(
        unit
    )


def _is_of_year(unit: FactualUnit, years: Collection[int]) -> bool:
    """Whether the label of a row is one of the given years."""
    return any(row_label(unit.citable) == {str(year)} for year in years)


def _rows(comparison: ClaimComparison) -> list[tuple[Figure, ...]]:
    """The figures of each unit, without those above it. The 11 of "Ward 11" is not a figure."""
    rows: list[tuple[Figure, ...]] = []
    for place, (_, unit) in enumerate(comparison.units):
        marks = named_spans(unit.own) if unit.citable.is_row else ()
        counted = [f for f in unit.figures if not any(s <= f.span[0] < e for s, e in marks)]
        rows.append(tuple(replace(f, row=place, column=at) for at, f in enumerate(counted)))
    return rows


def _of_years(row: Sequence[Figure], years: frozenset[int]) -> tuple[Figure, ...]:
    """The figures in the columns of the given years; all figures if no column has such a year.

    A row whose label is another year gives none.
    """
    of_row = frozenset.intersection(*(figure.years for figure in row)) if row else frozenset()
    if (
        of_row
        and of_row.isdisjoint(years)
        and years_in(row[0].sentence[: row[0].span[0]]) == of_row
    ):
        return ()
    chosen = [figure for figure in row if figure.years & years or not figure.years] or row
    return tuple(replace(figure, column=column) for column, figure in enumerate(chosen))


def _of_named_columns(row: tuple[Figure, ...], comparison: ClaimComparison) -> tuple[Figure, ...]:
    """The figures in columns that the statement or question names; all figures if it names none."""
    shared = frozenset.intersection(*(figure.heads for figure in row)) if row else frozenset()
    chosen = [figure for figure in row if comparison.named(figure.heads - shared)] or row
    return tuple(replace(figure, column=column) for column, figure in enumerate(chosen))


def _of_whole_heads(
    row: tuple[Figure, ...], comparison: ClaimComparison, naming: frozenset[str]
) -> tuple[Figure, ...]:
    """The figures in columns of whose heads every word is named; all figures if there is none.

    Words that only name the calculation, such as "total", do not name a column.
    """
    shared = frozenset.intersection(*(figure.heads for figure in row)) if row else frozenset()
    chosen: list[Figure] = []
    for figure in row:
        words = {word for word in figure.heads - shared if word.isalpha()} - naming
        if words and words == comparison.rows.said_among(words):
            chosen.append(figure)
    return tuple(replace(figure, column=column) for column, figure in enumerate(chosen or row))


def _labelled(rows: Sequence[Sequence[Figure]], comparison: ClaimComparison) -> list[LabelledRow]:
    """The rows of figures with their labels."""
    found: list[LabelledRow] = []
    for row, (_, unit) in zip(rows, comparison.units, strict=True):
        if row and unit.is_row:
            written = row[0].sentence[: row[0].span[0]]
            label = terms(written if any(map(str.isalpha, written)) else _lead_in(unit.citable))
            found.append(LabelledRow(frozenset(with_stems(label)[len(label) :]), tuple(row)))
    return found


def _lead_in(unit: CitableUnit) -> str:
    """The line above a table, which is the label of a row without one."""
    lines = [line for line in unit.above.split(" ; ") if line not in unit.heads]
    return lines[-1] if lines else ""


def _closest_part(
    rows: Sequence[Sequence[Figure]], comparison: ClaimComparison
) -> tuple[Figure, ...]:
    """The figures of the sentence part that has most of the statement's words; none on a tie."""
    words = comparison.claim.words | comparison.question.words
    same = [comparison.equivalents(word) for word in words]
    best: tuple[Figure, ...] = ()
    reached = 0
    for row in rows:
        sentence = row[0].sentence if row else ""
        ends = [0, *(match.end() for match in _PART_END.finditer(sentence)), len(sentence)]
        for start, end in pairwise(ends):
            found = set(terms(sentence[start:end]))
            amount = sum(not found.isdisjoint(words) for words in same)
            figures = tuple(f for f in row if start <= f.span[0] < end)
            if figures and amount >= reached:
                best, reached = (figures, amount) if amount > reached else ((), amount)
    return best


def _is_displaced(
    number: Number, comparison: ClaimComparison, near: Sequence[int], result: Result
) -> bool:
    """Whether a relevant unit has some other number, no operand, in the number's position.

    A sentence never displaces a number that was calculated from rows of a table.
    """
    rows_only = all(comparison.units[figure.row][1].is_row for figure in result.operands)
    for place in near:
        unit = comparison.units[place][1]
        if rows_only and not unit.is_row:
            continue
        # A year in the head of a column is not a competing number.
        rest = unit.own if unit.is_row else unit.facts.plain
        for start, end in (f.span for f in result.operands if f.row == place):
            rest = f"{rest[:start]}{' ' * (end - start)}{rest[end:]}"
        if is_displaced(comparison.claim.facts.plain, number.span, rest):
            return True
    return False
