"""Cuts long sources into parts, and finds those worth comparing with a statement.

    A page is compared with a sentence as a whole. A source of a hundred pages is not: its parts are
compared like passages of their own, and only those with enough words of the sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ....text.dates import Date
from ....text.numerals import Number
from ....text.terms import terms
from ..calculations.financial_terms import formulas_asked
from ..calculations.operation_words import is_naming
from ..lexicon import direction
from ..statements import CitedSource, FactualUnit, Statement, known_words
from .equivalents import Equivalents

__all__ = ["PartIndex", "parts_of"]

MOST_UNITS: Final = 200
"""Most sentences and rows of a part: more than a page has, so that a page is compared as a whole."""

SHARED_UNITS: Final = 8
"""Sentences at the end of a part that also begin the next one, which may refer to them."""


def parts_of(source: CitedSource) -> tuple[CitedSource, ...]:
    """A source, or its parts if it is longer than a page. A table is cut only if it is longer itself."""
    if len(source.units) <= MOST_UNITS:
        return (source,)
    return tuple(_part(source, start, end) for start, end in _cuts(source.units))


def _part(source: CitedSource, start: int, end: int) -> CitedSource:
    units = source.units[start:end]
    words = frozenset[str]().union(
        *(unit.citable.terms for unit in units), *(unit.citable.terms_above for unit in units)
    )
    return replace(source, words=words, units=units, known=Equivalents(words | source.above))


def _cuts(units: Sequence[FactualUnit]) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(units):
        end = min(start + MOST_UNITS, len(units))
        table = units[end].citable.table if end < len(units) else None
        first = end
        while table is not None and first > start and units[first - 1].citable.table == table:
            first -= 1
        end = first if first > start + SHARED_UNITS else end
        yield start, end
        if end == len(units):
            return
        start = end if units[end].citable.is_row else max(start + 1, end - SHARED_UNITS)


class PartIndex:
    """Knows which parts of the sources have a word.

    Args:
        parts: The parts of all sources.
    """

    def __init__(self, parts: Sequence[CitedSource]) -> None:
        self._parts = parts
        self._known = known_words(parts)
        self._having: dict[str, list[int]] = {}
        for index, part in enumerate(parts):
            for word in part.words | part.above:
                self._having.setdefault(word, []).append(index)
        self._has_facts = [any(map(_has_facts, part.units)) or _states(part) for part in parts]
        self._found: dict[str, frozenset[int]] = {}

    def possible(self, claim: Statement, question: Statement, least: float) -> list[int]:
        """The parts that may have a given share of a claim's words, numbers and dates.

        No other part can have it. A word counts as present if an equivalent is anywhere in the part,
        or if figures may show the rise that it names; all numbers and dates count as present if the
        part has any.
        """
        own = claim.words - question.words
        facts = len(claim.facts.numbers) + len(claim.facts.dates)
        shown = {word for word in own if direction(word)}
        named = self._naming(own, claim, question) if claim.facts.numbers else frozenset()
        counts = Counter(index for word in own - shown for index in self._with(word))
        unnamed = Counter(index for word in own - shown - named for index in self._with(word))
        found = []
        for index in range(len(self._parts)):
            if facts and not self._has_facts[index]:
                continue
            present = len(shown) + counts[index] + facts
            lacking = len(own - shown - named) - unnamed[index]
            if present >= least * (present + lacking):
                found.append(index)
        return found

    def nearest(self, claim: Statement, question: Statement, among: Iterable[int]) -> list[int]:
        """The given parts, those that share most with a claim first; rare words count more."""
        stated: tuple[Number | Date, ...] = (*claim.facts.numbers, *claim.facts.dates)
        told = claim.words.union(*(terms(fact.text) for fact in stated))
        scores = [0.0] * len(self._parts)
        for share, words in ((1.0, told), (0.5, question.words - told)):
            for word in words:
                having = self._with(word)
                for index in having:
                    scores[index] += share * math.log(1 + len(self._parts) / len(having))
        return sorted(among, key=lambda index: (-scores[index], index))

    def _with(self, word: str) -> frozenset[int]:
        """The parts that have a word or a possible equivalent."""
        if word not in self._found:
            forms = self._known.of([word])[word] | self._known.similar(word) | {word}
            self._found[word] = frozenset(i for form in forms for i in self._having.get(form, ()))
        return self._found[word]

    def _naming(self, own: frozenset[str], claim: Statement, question: Statement) -> frozenset[str]:
        """The words of a claim that may just name a calculation, so that no source needs to have them."""
        formulas = formulas_asked(f"{question.text}\n{claim.facts.plain}")
        return frozenset(filter(is_naming, own)).union(*(each.name & own for each in formulas))


def _has_facts(unit: FactualUnit) -> bool:
    return bool(unit.facts.numbers or unit.facts.dates or unit.figures)


def _states(part: CitedSource) -> bool:
    return bool(part.facts_above.numbers or part.facts_above.dates)
