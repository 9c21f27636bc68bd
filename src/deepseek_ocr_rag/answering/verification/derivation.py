"""What a number that the sources do not state was derived from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ...text.numerals import Number, is_year
from ...text.plain_text import plain_text
from ...text.terms import terms
from .alignment import is_displaced
from .calculation import Calculation, Result
from .comparison import ClaimComparison
from .operation_words import named_calculation
from .table_figures import Figure, figures_of

__all__ = ["Derivation", "derivation"]

_PART_END: Final = re.compile(r"\b(?:and|und|while|whereas)\b|;")


@dataclass(frozen=True, slots=True)
class Derivation:
    """Where a number comes from that stands nowhere.

    Attributes:
        places: The units that it was calculated from.
        naming: The terms of the statement and the question that name the calculation.
    """

    places: frozenset[int]
    naming: frozenset[str]


def derivation(
    number: Number, matter: ClaimComparison, least: Sequence[float]
) -> Derivation | None:
    """How a number of a statement follows from the figures of its sources, if it does.

    Args:
        number: One that no unit states. A year is never a result.
        matter: The statement beside its sources.
        least: Shares of the best unit's overlap that the units with the operands need,
            tried one after the other.
    """
    if is_year(number.text):
        return None
    said, question = matter.said.facts, matter.question
    others = {*said.numbers, *question.facts.numbers} - {number}
    given = [other.value for other in others if not is_year(other.text)]
    calculation = Calculation(number, said.plain, question.text, given)
    rows = _rows(matter)
    part = _part_on_matter(rows, matter)
    overlap = matter.overlap_around(number)
    best = max((overlap[place] for place, row in enumerate(rows) if row), default=0)
    for share in least:
        near = [at for at in range(len(rows)) if 0 < share * best <= matter.eased(overlap, at)]
        result = calculation.result_of(part) or calculation.result(rows, near)
        if result and not _is_displaced(number, matter, near, result):
            places = frozenset(figure.place for figure in result.operands)
            return Derivation(places, named_calculation(number, said.plain, question.text).naming)
    return None


def _rows(matter: ClaimComparison) -> list[tuple[Figure, ...]]:
    """The figures of each unit, without those above it."""
    rows = []
    for place, (_, unit) in enumerate(matter.places):
        above = plain_text(f" ; {unit.quotable.above}")
        rows.append(figures_of(unit.facts.plain.removesuffix(above), place))
    return rows


def _part_on_matter(
    rows: Sequence[Sequence[Figure]], matter: ClaimComparison
) -> tuple[Figure, ...]:
    """The figures of the one part of a sentence that has most of the statement's words."""
    words = matter.said.words | matter.question.words
    same = [matter.same(word) for word in words]
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
    number: Number, matter: ClaimComparison, near: Sequence[int], result: Result
) -> bool:
    """Whether a unit on the matter has a number in its place that is no operand of it."""
    for place in near:
        rest = matter.places[place][1].facts.plain
        for start, end in (f.span for f in result.operands if f.place == place):
            rest = f"{rest[:start]}{' ' * (end - start)}{rest[end:]}"
        if is_displaced(matter.said.facts.plain, number.span, rest):
            return True
    return False
