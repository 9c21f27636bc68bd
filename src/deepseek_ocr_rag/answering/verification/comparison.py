"""How much each sentence of some sources has of a statement, and what it has in place of a fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number
from ...text.terms import terms
from .alignment import clause, is_displaced, words_in
from .facts import Facts, Name
from .statements import CitedSource, FactualUnit, Statement, same_words
from .trend_words import direction

__all__ = ["ClaimComparison"]

NEIGHBOURS: Final = 2
"""Units before and after the evidence in which the words of the question may stand."""


class ClaimComparison:
    """A statement beside the sources that it cites.

    Args:
        said: The statement.
        question: What it answers.
        sources: The passages that it cites.

    Attributes:
        places: All the units of the sources, each with its source.
        facts: The statement's numbers and dates.
    """

    def __init__(
        self, said: Statement, question: Statement, sources: Sequence[CitedSource]
    ) -> None:
        self.said, self.question, self.sources = said, question, tuple(sources)
        self.places = [(source, unit) for source in sources for unit in source.units]
        vocabulary = {word for source in sources for word in source.words | source.above}
        self._same = same_words(said.words | question.words, vocabulary)
        self.facts: list[Number | Date] = [*said.facts.numbers, *said.facts.dates]

    def same(self, word: str) -> frozenset[str]:
        """A word of the statement or the question, and those in the sources that say the same."""
        return self._same[word] | {word}

    def overlap(self, near: Iterable[str], others: Iterable[str]) -> list[float]:
        """For each unit how much of a statement it has; other words count half."""
        near, others = tuple(near), tuple(others)
        return [
            sum(self.has(word, [place]) for word in near)
            + sum(self.has(word, [place]) for word in others) / 2
            for place in range(len(self.places))
        ]

    def overlap_around(self, fact: Number | Date | Name) -> list[float]:
        """How much each unit has of the statement: its words, those beside a fact most, and facts."""
        beside = Statement.of(clause(self.said.facts.plain, fact.span)).words & self._same.keys()
        words = self.overlap(beside, (self.said.words | self.question.words) - beside)
        others = [other for other in self.facts if other is not fact]
        return [
            amount + sum(self.states(unit.facts, other) for other in others)
            for amount, (_, unit) in zip(words, self.places, strict=True)
        ]

    def eased(self, overlap: Sequence[float], place: int) -> float:
        """The overlap of a unit or, if that is more, its mean with a neighbour's.

        A line break in the middle of a sentence makes two units of it, but a row of
        a table stands for itself.
        """
        if self.places[place][1].is_row:
            return overlap[place]
        beside = [overlap[near] for near in (place - 1, place + 1) if 0 <= near < len(overlap)]
        return max(overlap[place], (overlap[place] + max(beside, default=0)) / 2)

    def has(self, word: str, places: Iterable[int]) -> bool:
        """Whether some of the units have a word, or what is above them has it."""
        same = self._same[word]
        return any(
            not same.isdisjoint(unit.quotable.terms)
            or not same.isdisjoint(unit.quotable.terms_above)
            or not same.isdisjoint(source.above)
            for source, unit in map(self.places.__getitem__, places)
        )

    def has_in_figures(self, word: str, places: Iterable[int]) -> bool:
        """Whether a word for a rise or a fall is what the figures of some units say.

        So do those of many a row, and that makes no row the one that is meant.
        """
        way = direction(word)
        return any(way in self.places[place][1].directions for place in places)

    def around(self, place: int) -> Iterator[int]:
        """A unit and its neighbours in the same source."""
        source, _ = self.places[place]
        for near in range(
            max(0, place - NEIGHBOURS), min(len(self.places), place + NEIGHBOURS + 1)
        ):
            if self.places[near][0] is source:
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
            self.states(facts, fact)
            for source in self.sources
            for facts in (source.facts_above, *(unit.facts for unit in source.units))
        )

    def is_displaced(
        self, fact: Number | Date | Name, overlap: Sequence[float], reached: float
    ) -> bool:
        """Whether a unit that fits better than those with a fact has something else in its place."""
        return any(
            amount > reached and self.displaces(unit, fact)
            for (_, unit), amount in zip(self.places, overlap, strict=True)
        )

    def displaces(self, unit: FactualUnit, fact: Number | Date | Name) -> bool:
        """Whether a unit has something else where the statement has a fact, or a part of a date."""
        said = self.said.facts.plain
        spans = [fact.span]
        if isinstance(fact, Date):
            spans = words_in(said, fact.span)
            same = [set(terms(date.text)) for date in unit.facts.dates if fact.matches(date)]
            if same and set(terms(fact.text)) not in same:
                # In another writing, so that nothing can be compared word by word.
                return False
        return any(is_displaced(said, span, unit.facts.plain) for span in spans)

    def _has_year(self, date: Date) -> bool:
        """Whether the sources have its year anywhere: a page often names it once."""
        if date.year is None:
            return True
        return any(
            Decimal(date.year) in number.values
            for source in self.sources
            for facts in (source.facts_above, *(unit.facts for unit in source.units))
            for number in facts.numbers
        )
