"""The sentences of cited passages that a statement rests on, and what of it they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from .alignment import clause, is_displaced, words_in
from .calculation import Calculation, Result
from .dates import Date
from .directions import direction
from .facts import Facts, Name, plain_text
from .figure_rows import Figure, figures_of
from .negation import negated_terms, plain_terms
from .numerals import Number, is_year
from .repetition import enumerated_twice
from .statements import Source, Statement, Unit, same_words
from .terms import terms

__all__ = ["Evidence"]

RELEVANT: Final = 0.3
"""Share of the best unit's overlap that another one needs to count as evidence: a
number far from the matter is a coincidence."""

SAME_MATTER: Final = 0.6
"""The same for a unit that a number or a date is taken from."""

NEIGHBOURS: Final = 2
"""Units before and after the evidence in which the words of the question may stand."""


class Evidence:
    """What a statement rests on in some sources.

    The units are picked one after the other, each time the one that has most of
    what is still missing.

    Args:
        said: The statement.
        asked: The question that it answers.
        sources: The passages that it cites.

    Attributes:
        units: Those picked.
        claimed: Of the statement's own words, which ones the evidence has.
        asked: Of the question's words, which ones it has, or what stands near it.
        stated: How many of the statement's numbers and dates it has.
        lacking: The numbers, dates and names that it does not have.
        twice: The numbers and dates that the statement enumerates twice and they do not.
        reversed: The words before which the statement has a "not" and all of the
            evidence that has them has none, or the other way round.
    """

    def __init__(self, said: Statement, asked: Statement, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._said, self._question = said, asked
        self._places = [(source, unit) for source in sources for unit in source.units]
        vocabulary = {word for source in sources for word in source.words | source.above}
        self._same = same_words(said.words | asked.words, vocabulary)
        own = said.words - asked.words
        facts: list[Number | Date] = [*said.facts.numbers, *said.facts.dates]
        self._facts = facts
        stating = {fact: self._places_of(fact) for fact in facts}
        self._calculating: frozenset[str] = frozenset()
        for fact in facts:
            if isinstance(fact, Number) and not stating[fact] and not self._stated_above(fact):
                stating[fact] = self._places_giving(fact)
        picked = self._pick(own, stating)
        self.units = tuple(self._places[place][1] for place in picked)
        self.claimed = self._present(own, picked)
        near = sorted({place for at in picked for place in self._around(at)})
        self.asked = self._present(asked.words, near)
        unstated = [f.text for f in facts if not stating[f] and not self._stated_above(f)]
        self.stated = len(facts) - len(unstated)
        names = [name.text for name in said.facts.names if not self._knows(name)]
        self.lacking = (*unstated, *names)
        self.twice = enumerated_twice(
            said.facts.plain, facts, [unit.facts.plain for _, unit in self._places]
        )
        self.reversed = tuple(self._reversed(picked))

    @property
    def coverage(self) -> float:
        """Share of the statement's own words, numbers and dates that it has, 0..1."""
        total = len(self.claimed) + len(self._said.facts.numbers) + len(self._said.facts.dates)
        return (sum(self.claimed.values()) + self.stated) / total if total else 1.0

    def _present(self, words: Iterable[str], places: Sequence[int]) -> dict[str, bool]:
        """Which words some units have; what only names a calculation need not be in a source."""
        present = {word: self._has(word, places) for word in words}
        return {w: has for w, has in present.items() if has or w not in self._calculating}

    def same_words(self, word: str) -> frozenset[str]:
        """A word of the statement or the question, and those in the sources that say the same."""
        return self._same[word] | {word}

    def _overlap(self, near: Iterable[str], others: Iterable[str]) -> list[float]:
        """For each unit how much of a statement it has; other words count half."""
        near, others = tuple(near), tuple(others)
        return [
            sum(self._has(word, [place]) for word in near)
            + sum(self._has(word, [place]) for word in others) / 2
            for place in range(len(self._places))
        ]

    def _places_of(self, fact: Number | Date) -> frozenset[int]:
        """The units that state a number or a date, and are about the same matter."""
        overlap = self._overlap_around(fact)
        stating = [
            place
            for place, (_, unit) in enumerate(self._places)
            if self._states(unit.facts, fact) and not self._displaces(unit, fact)
        ]
        if self._is_displaced(fact, overlap, max((overlap[p] for p in stating), default=0)):
            return frozenset()
        least = SAME_MATTER * max(overlap, default=0)
        return frozenset(place for place in stating if self._eased(overlap, place) >= least)

    def _places_giving(self, number: Number) -> frozenset[int]:
        """The units that a number was calculated from, if it was."""
        if is_year(number.text):
            return frozenset()
        rows = self._figures()
        overlap = self._overlap_around(number)
        best = max((overlap[at] for at, row in enumerate(rows) if row), default=0)
        others = {*self._said.facts.numbers, *self._question.facts.numbers} - {number}
        calculation = Calculation(
            number,
            self._said.facts.plain,
            self._question.text,
            [max(other.values) for other in others if not is_year(other.text)],
        )
        for least in (SAME_MATTER, RELEVANT):
            near = [at for at, _ in enumerate(rows) if 0 < least * best <= self._eased(overlap, at)]
            result = calculation.result(rows, near)
            if result and not self._is_elsewise(number, overlap, result):
                self._calculating |= calculation.naming
                return frozenset(figure.place for figure in result.operands)
        return frozenset()

    def _is_elsewise(self, number: Number, overlap: Sequence[float], result: Result) -> bool:
        """Whether a unit on the matter has another number in its place, but an operand of it."""
        said, least = self._said.facts.plain, SAME_MATTER * max(overlap)
        for place, (_, unit) in enumerate(self._places):
            rest = unit.facts.plain
            for start, end in (f.span for f in result.operands if f.place == place):
                rest = f"{rest[:start]}{' ' * (end - start)}{rest[end:]}"
            if overlap[place] >= least and is_displaced(said, number.span, rest):
                return True
        return False

    def _figures(self) -> list[tuple[Figure, ...]]:
        rows = []
        for place, (_, unit) in enumerate(self._places):
            above = plain_text(f" ; {unit.quotable.above}")
            rows.append(figures_of(unit.facts.plain.removesuffix(above), place))
        return rows

    def _eased(self, overlap: Sequence[float], place: int) -> float:
        """The overlap of a unit or, if that is more, its mean with a neighbour's.

        A line break in the middle of a sentence makes two units of it, but a row of
        a table stands for itself.
        """
        if self._places[place][1].quotable.is_row:
            return overlap[place]
        beside = [overlap[near] for near in (place - 1, place + 1) if 0 <= near < len(overlap)]
        return max(overlap[place], (overlap[place] + max(beside, default=0)) / 2)

    def _is_displaced(
        self, fact: Number | Date | Name, overlap: Sequence[float], reached: float
    ) -> bool:
        """Whether a unit that fits better than those with a fact has something else in its place."""
        return any(
            amount > reached and self._displaces(unit, fact)
            for (_, unit), amount in zip(self._places, overlap, strict=True)
        )

    def _displaces(self, unit: Unit, fact: Number | Date | Name) -> bool:
        """Whether a unit has something else where the statement has a fact, or a part of a date."""
        said = self._said.facts.plain
        spans = [fact.span]
        if isinstance(fact, Date):
            spans = words_in(said, fact.span)
            same = [set(terms(date.text)) for date in unit.facts.dates if fact.matches(date)]
            if same and set(terms(fact.text)) not in same:
                # In another writing, so that nothing can be compared word by word.
                return False
        return any(is_displaced(said, span, unit.facts.plain) for span in spans)

    def _overlap_around(self, fact: Number | Date | Name) -> list[float]:
        """How much each unit has of the statement: its words, those beside a fact most, and facts."""
        beside = Statement.of(clause(self._said.facts.plain, fact.span)).words & self._same.keys()
        words = self._overlap(beside, (self._said.words | self._question.words) - beside)
        others = [other for other in self._facts if other is not fact]
        return [
            amount + sum(self._states(unit.facts, other) for other in others)
            for amount, (_, unit) in zip(words, self._places, strict=True)
        ]

    def _stated_above(self, fact: Number | Date) -> bool:
        """Whether a number of the question, such as its year, stands anywhere in the sources."""
        return self._states(self._question.facts, fact) and any(
            self._states(facts, fact)
            for source in self.sources
            for facts in (source.facts_above, *(unit.facts for unit in source.units))
        )

    def _knows(self, name: Name) -> bool:
        wanted = set(terms(name.text))
        if wanted <= set(terms(self._question.text)):
            return True
        if not wanted <= set().union(*(source.words | source.above for source in self.sources)):
            return False
        if not name.sure:
            return True
        overlap = self._overlap_around(name)
        having = (
            amount
            for (_, unit), amount in zip(self._places, overlap, strict=True)
            if not wanted.isdisjoint(unit.quotable.terms) and not self._displaces(unit, name)
        )
        return not self._is_displaced(name, overlap, max(having, default=0))

    def _pick(
        self, own: frozenset[str], stating: Mapping[Number | Date, frozenset[int]]
    ) -> list[int]:
        overlap = self._overlap(own, self._question.words)
        least = RELEVANT * max(overlap, default=0)
        has = [
            {word for word in own if not self._same[word].isdisjoint(unit.quotable.terms)}
            | {fact for fact, places in stating.items() if place in places}
            for place, (_, unit) in enumerate(self._places)
        ]
        relevant = [place for place, amount in enumerate(overlap) if amount >= least]
        missing: set[object] = {*own, *stating}
        picked: list[int] = []
        while relevant:
            best = max(relevant, key=lambda place: (len(missing & has[place]), overlap[place]))
            if picked and not missing & has[best]:
                break
            picked.append(best)
            missing -= has[best]
        return picked

    def _reversed(self, picked: Sequence[int]) -> Iterator[str]:
        overlap = self._overlap(self._said.words, self._question.words - self._said.words)
        least = SAME_MATTER * max(overlap, default=0)
        close = [self._places[place][1] for place in picked if overlap[place] >= least]
        negated = negated_terms(self._said.facts.plain)
        for word in sorted(self._said.words):
            same = self._same[word]
            find = negated_terms if word in negated else plain_terms
            having = [unit for unit in close if not same.isdisjoint(unit.quotable.terms)]
            if having and all(same.isdisjoint(find(unit.facts.plain)) for unit in having):
                yield word

    def _has(self, word: str, places: Iterable[int]) -> bool:
        same, way = self._same[word], direction(word)
        return any(
            not same.isdisjoint(unit.quotable.terms)
            or way in unit.directions
            or not same.isdisjoint(unit.quotable.terms_above)
            or not same.isdisjoint(source.above)
            for source, unit in map(self._places.__getitem__, places)
        )

    def _around(self, place: int) -> Iterator[int]:
        source, _ = self._places[place]
        for near in range(
            max(0, place - NEIGHBOURS), min(len(self._places), place + NEIGHBOURS + 1)
        ):
            if self._places[near][0] is source:
                yield near

    def _states(self, facts: Facts, fact: Number | Date) -> bool:
        if isinstance(fact, Number):
            return any(fact.matches(stated) for stated in facts.numbers)
        return any(
            fact.matches(stated) and (stated.year is not None or self._has_year(fact))
            for stated in facts.dates
        )

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
