"""Compares a claim with each sentence of its sources: shared and contradicting words and facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number
from ...text.terms import terms
from .alignment import clause, is_displaced, words_in
from .facts import Facts, Name
from .lexicon import direction
from .statements import CitedSource, FactualUnit, Statement, equivalent_words

__all__ = ["ClaimComparison"]

NEIGHBOURS: Final = 2
"""Units before and after the evidence in which the words of the question may stand."""


class ClaimComparison:
    """A claim beside the sources that it cites.

    ``units`` are all units of the sources, each with its source; other methods take indices into
    these. ``facts`` are the claim's numbers and dates.
    """

    def __init__(
        self, claim: Statement, question: Statement, sources: Sequence[CitedSource]
    ) -> None:
        self.claim, self.question, self.sources = claim, question, tuple(sources)
        self.units = [(source, unit) for source in sources for unit in source.units]
        vocabulary = {word for source in sources for word in source.words | source.above}
        self._equivalents = equivalent_words(claim.words | question.words, vocabulary)
        self.facts: list[Number | Date] = [*claim.facts.numbers, *claim.facts.dates]

    def equivalents(self, word: str) -> frozenset[str]:
        """A word of the claim or the question, and its equivalents in the sources."""
        return self._equivalents[word] | {word}

    def is_known(self, word: str) -> bool:
        """Whether the sources have a word, or an equivalent one, anywhere."""
        return bool(self._equivalents[word])

    def overlap(self, words: Iterable[str], others: Iterable[str]) -> list[float]:
        """For each unit how many of some words it has; other words count half."""
        words, others = tuple(words), tuple(others)
        return [
            sum(self.has(word, [index]) for word in words)
            + sum(self.has(word, [index]) for word in others) / 2
            for index in range(len(self.units))
        ]

    def overlap_around(self, fact: Number | Date | Name) -> list[float]:
        """For each unit how much of the claim it has: words, those beside a fact most, and facts."""
        around = Statement.of(clause(self.claim.facts.plain, fact.span))
        beside = around.words & self._equivalents.keys()
        words = self.overlap(beside, (self.claim.words | self.question.words) - beside)
        others = [other for other in self.facts if other is not fact]
        return [
            amount + sum(self.states(unit.facts, other) for other in others)
            for amount, (_, unit) in zip(words, self.units, strict=True)
        ]

    def smoothed(self, overlap: Sequence[float], index: int) -> float:
        """A unit's overlap or, if greater, its mean with a neighbour's.

        A line break within a sentence makes two units of it. A table row stands for itself.
        """
        if self.units[index][1].is_row:
            return overlap[index]
        beside = [overlap[near] for near in (index - 1, index + 1) if 0 <= near < len(overlap)]
        return max(overlap[index], (overlap[index] + max(beside, default=0)) / 2)

    def has(self, word: str, indices: Iterable[int]) -> bool:
        """Whether some of the units, or the headings above them, have a word."""
        wanted = self._equivalents[word]
        return any(
            not wanted.isdisjoint(unit.citable.terms)
            or not wanted.isdisjoint(unit.citable.terms_above)
            or not wanted.isdisjoint(source.above)
            for source, unit in map(self.units.__getitem__, indices)
        )

    def has_in_figures(self, word: str, indices: Iterable[int]) -> bool:
        """Whether the figures of some units show the rise or fall that a word names.

        Not part of :meth:`has`: many rows show one, which does not make them relevant.
        """
        moved = direction(word)
        return any(moved in self.units[index][1].directions for index in indices)

    def around(self, index: int) -> Iterator[int]:
        """A unit and its neighbours in the same source."""
        source, _ = self.units[index]
        for near in range(max(0, index - NEIGHBOURS), min(len(self.units), index + NEIGHBOURS + 1)):
            if self.units[near][0] is source:
                yield near

    def states(self, facts: Facts, fact: Number | Date) -> bool:
        """Whether a number or a date is among some facts of the sources."""
        if isinstance(fact, Number):
            return any(fact.matches(stated) for stated in facts.numbers)
        return any(
            fact.matches(stated) and (stated.year is not None or self._has_year(fact))
            for stated in facts.dates
        )

    def stated_above(self, fact: Number | Date) -> bool:
        """Whether a number of the question, such as its year, stands anywhere in the sources."""
        if isinstance(fact, Number) and fact.is_points:
            return False
        return self.states(self.question.facts, fact) and any(
            self.states(facts, fact) for facts in self._all_facts()
        )

    def is_displaced(
        self, fact: Number | Date | Name, overlap: Sequence[float], reached: float
    ) -> bool:
        """Whether a unit has something else in the position of a fact.

        Only units count whose overlap is above ``reached``.
        """
        return any(
            amount > reached and self.displaces(unit, fact)
            for (_, unit), amount in zip(self.units, overlap, strict=True)
        )

    def displaces(self, unit: FactualUnit, fact: Number | Date | Name) -> bool:
        """Whether a unit has something else in the position of a fact or of a part of a date."""
        plain = self.claim.facts.plain
        spans = [fact.span]
        if isinstance(fact, Date):
            spans = words_in(plain, fact.span)
            same = [set(terms(date.text)) for date in unit.facts.dates if fact.matches(date)]
            if same and set(terms(fact.text)) not in same:
                # Written in another form, so it cannot be compared word by word.
                return False
        return any(is_displaced(plain, span, unit.facts.plain) for span in spans)

    def _has_year(self, date: Date) -> bool:
        """Whether the sources have its year anywhere: a page often names it once."""
        return date.year is None or any(
            Decimal(date.year) in number.values
            for facts in self._all_facts()
            for number in facts.numbers
        )

    def _all_facts(self) -> Iterator[Facts]:
        for source in self.sources:
            yield source.facts_above
            yield from (unit.facts for unit in source.units)
