"""Finds the calculation behind a number that the source does not print.

"A decline of 4.4 %" follows from the 23,706 and 24,804 of a table row. With enough
operands any number follows from something, so a result counts only if

* the statement or its question names the calculation: a change, a share, a ratio, a
  total, a difference, an average; or the source gives a rate ("for every litre") and
  the question the amount;
* the operands are in one row, or in one column of relevant rows; and
* so few other results are possible that a random number would seldom be among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, permutations, product
from typing import Final

from ....text.numerals import Number
from ..table_figures import LONGEST, Figure, column_totals
from .operation_words import named_calculation, scale_asked

__all__ = ["Calculation", "Result"]

CHANCE: Final = 0.05
"""Highest share of all numbers of that length that may be results; one result is always allowed."""

MOST_ROWS: Final = 30
MOST_FIGURES: Final = 12
"""Most relevant rows, and most figures in a row; with more, any number follows from something."""

_RATE: Final = re.compile(r"\b(?:per|every|each|pro|je|jede[nmrs]?)\b|/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """A result of a calculation."""

    value: Decimal  # in the unit of the figures, or in percent
    operands: tuple[Figure, ...]  # the figures
    is_of_all: bool = False  # whether it is the sum or mean of all figures that could be added


class Calculation:
    """Searches for the calculation that gives a number of a statement.

    ``said`` is the statement without markup, in which the number's span counts; ``given`` are other
    numbers of the question or the statement, without years; ``years`` are the years that they name.
    """

    def __init__(
        self,
        number: Number,
        said: str,
        question: str,
        given: Iterable[Decimal],
        years: frozenset[int] = frozenset(),
    ) -> None:
        self._number = number
        self._compared = frozenset((min(years), max(years))) if len(years) > 1 else frozenset()
        self._ends = self._compared
        self._given = tuple(given)
        self._named = named_calculation(number, said, question)
        scale = scale_asked(question)
        self._table_scales = (0, 3, 6, 9) if number.scale else (0, -scale) if scale else (0,)

    def result(self, rows: Sequence[Sequence[Figure]], relevant: Iterable[int]) -> Result | None:
        """A result equal to the number; None if there is none or the match may be chance.

        ``rows`` are the figures of each sentence or table row of the sources, in order, and
        ``relevant`` the indices of those that are about the statement.
        """
        chosen = [rows[i] for i in relevant if 0 < len(rows[i]) <= MOST_FIGURES]
        if not chosen or len(chosen) > MOST_ROWS:
            return None
        pools = (self._shares_of_totals(rows, chosen), self._results(chosen))
        return next(filter(None, (self._among(list(pool)) for pool in pools)), None)

    def result_among(self, values: Iterable[tuple[Decimal, tuple[Figure, ...]]]) -> Result | None:
        """As :meth:`result`, for values that are already computed; shares are fractions of one."""
        factor = 100 if self._named.is_percent else 1
        return self._among([Result(factor * value, operands) for value, operands in values])

    def result_of(self, figures: Sequence[Figure]) -> Result | None:
        """As :meth:`result`, for the figures of a part of a sentence."""
        return self._among(list(self._results([figures])))

    def _among(self, possible: Sequence[Result]) -> Result | None:
        """The candidate equal to the number, or None if so many exist that a match may be chance."""
        if len(self._number.text) > LONGEST:
            return None
        hits = [result for result in possible if self._is(result.value)]
        if not hits:
            return None
        shown, places = self._shown()
        alike = {
            round(value, places)
            for result in possible
            for value in self._scalings(abs(result.value))
            if value.adjusted() == shown.adjusted()
        }
        as_long = 9 * 10 ** max(0, shown.adjusted() + places)
        return hits[0] if len(alike) <= max(1, CHANCE * as_long) else None

    def _shown(self) -> tuple[Decimal, int]:
        """The number's main reading and its decimal places."""
        value = self._number.value
        return value, max(0, -int(value.as_tuple().exponent))

    def _is(self, value: Decimal) -> bool:
        shown, places = self._shown()
        margin = Decimal(1).scaleb(-places) / 2
        return any(abs(scaled - shown) <= margin for scaled in self._scalings(abs(value)))

    def _scalings(self, value: Decimal) -> Iterator[Decimal]:
        return (value.scaleb(scale - self._number.scale) for scale in self._table_scales)

    def _shares_of_totals(
        self, rows: Sequence[Sequence[Figure]], relevant: Sequence[Sequence[Figure]]
    ) -> Iterator[Result]:
        """Shares of a figure that, by position and amount, is the total of its column."""
        if self._named.is_percent and "share" in self._named.operations:
            wholes = (pair for row in relevant for pair in column_totals(rows, row))
            yield from _quotients(wholes, lambda a, b: 100 * a / b)

    def _results(self, relevant: Sequence[Sequence[Figure]]) -> Iterator[Result]:
        pairs = [*_pairs(relevant)]
        # A fiscal year may end in the year before its name, and then no column has that year.
        known = frozenset().union(*(figure.years for row in relevant for figure in row))
        self._ends = self._compared if self._compared <= known else frozenset()
        if self._named.is_percent:
            plain = [p for p in pairs if not (p[0].is_percent or p[1].is_percent)]
            if "change" in self._named.operations:
                beside = [p for p in plain if p[0].row == p[1].row or self._is_between_years(p)]
                beside = [p for p in beside if not self._is_within_year(p)]
                yield from _quotients(beside, lambda a, b: 100 * (b - a) / abs(a))
            if "whole" in self._named.operations:
                beside = [p for p in plain if p[0].row == p[1].row]
                yield from _quotients(beside, lambda a, b: 100 * a / b)
            if "share" in self._named.operations:
                yield from _quotients(plain, lambda a, b: 100 * a / b)
        if self._named.is_percent or self._number.is_points:
            pairs = [p for p in pairs if p[0].is_percent and p[1].is_percent]
        else:
            pairs = [p for p in pairs if not (p[0].is_percent or p[1].is_percent)]
            yield from self._products(relevant)
            if "ratio" in self._named.operations:
                yield from _quotients(pairs, lambda a, b: a / b)
        if "difference" in self._named.operations:
            factor = 100 if self._number.unit == "basis points" else 1
            for a, b in pairs:
                if not self._is_within_year((a, b)):
                    yield Result(factor * (a.value - b.value), (a, b))
        groups = [*_columns(relevant, percent=self._named.is_percent), *({*map(_ordered, pairs)})]
        for group in groups:
            known = frozenset().union(*(figure.years for figure in group))
            if known and len(known) > 1 and not self._ends <= known:
                continue
            total = sum((figure.value for figure in group), Decimal())
            if "total" in self._named.operations:
                yield Result(total, group, is_of_all=True)
            if "average" in self._named.operations:
                yield Result(total / len(group), group, is_of_all=True)

    def _is_within_year(self, pair: tuple[Figure, Figure]) -> bool:
        """Whether two figures belong to the same year, if years matter here."""
        return bool(self._ends and pair[0].years) and pair[0].years == pair[1].years

    def _is_between_years(self, pair: tuple[Figure, Figure]) -> bool:
        """Whether two figures of different rows share a column and belong to the compared years."""
        one, other = pair
        return one.column == other.column and one.years | other.years == self._ends

    def _products(self, relevant: Sequence[Sequence[Figure]]) -> Iterator[Result]:
        for row in relevant:
            for figure in row:
                if _RATE.search(figure.sentence):
                    for amount in self._given:
                        yield Result(amount * figure.value, (figure,))


def _quotients(
    pairs: Iterable[tuple[Figure, Figure]], of: Callable[[Decimal, Decimal], Decimal]
) -> Iterator[Result]:
    return (Result(of(a.value, b.value), (a, b)) for a, b in pairs if a.value and b.value)


def _ordered(pair: tuple[Figure, Figure]) -> tuple[Figure, ...]:
    return tuple(sorted(pair, key=lambda figure: (figure.row, figure.column)))


def _pairs(relevant: Sequence[Sequence[Figure]]) -> Iterator[tuple[Figure, Figure]]:
    """Two figures of one row, or of one column in two rows, in both orders.

    Columns of two rows are the same by position in rows of equal length, otherwise by their heads.
    """
    for row in relevant:
        yield from permutations(row, 2)
    for one, other in permutations(relevant, 2):
        if len(one) == len(other):
            yield from zip(one, other, strict=True)
        else:
            yield from ((a, b) for a, b in product(one, other) if a.heads and a.heads == b.heads)


def _columns(
    relevant: Sequence[Sequence[Figure]], *, percent: bool
) -> Iterator[tuple[Figure, ...]]:
    """The figures of each column over three or more consecutive rows of equal length."""
    for start, end in combinations(range(len(relevant) + 1), 2):
        run = relevant[start:end]
        if len(run) > 2 and len({len(row) for row in run}) == 1:
            for column in zip(*run, strict=True):
                if all(figure.is_percent == percent for figure in column):
                    yield column
