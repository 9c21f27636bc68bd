"""The sentences of cited passages that a statement rests on, and what of it they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number
from ...text.terms import content_terms, terms
from .comparison import ClaimComparison
from .derivation import derivation
from .facts import Name
from .negation import negated_terms, plain_terms
from .repeated_facts import enumerated_twice
from .statements import CitedSource, Statement

__all__ = ["Evidence"]

RELEVANT: Final = 0.3
"""Share of the best unit's overlap that another one needs to count as evidence: a
number far from the matter is a coincidence."""

SAME_MATTER: Final = 0.6
"""The same for a unit that a number or a date is taken from."""


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
        lacking: The numbers, dates and names that it does not have, and that do not follow
            from what it has.
        twice: The numbers and dates that the statement enumerates twice and they do not.
        reversed: The words before which the statement has a "not" and all of the
            evidence that has them has none, or the other way round.
    """

    def __init__(self, said: Statement, asked: Statement, sources: Sequence[CitedSource]) -> None:
        self._matter = matter = ClaimComparison(said, asked, sources)
        self.sources = matter.sources
        own = said.words - asked.words
        stating = {fact: self._places_of(fact) for fact in matter.facts}
        absent = [f for f in matter.facts if not stating[f] and not matter.stated_above(f)]
        derived = {
            fact: found
            for fact in absent
            if isinstance(fact, Number)
            and (found := derivation(fact, matter, (SAME_MATTER, RELEVANT)))
        }
        stating |= {fact: found.places for fact, found in derived.items()}
        naming = frozenset(word for found in derived.values() for word in found.naming)
        picked = self._pick(own, stating)
        operands = {place for found in derived.values() for place in found.places}
        picked += sorted(operands.difference(picked))
        self.units = tuple(matter.places[place][1] for place in picked)
        self.claimed = self._present(own, picked, naming)
        near = sorted({place for at in picked for place in matter.around(at)})
        self.asked = self._present(asked.words, near, naming)
        unstated = [fact.text for fact in absent if fact not in derived]
        self.stated = len(matter.facts) - len(unstated)
        names = [name.text for name in said.facts.names if not self._knows(name)]
        self.lacking = (*unstated, *names)
        units = [unit.facts.plain for _, unit in matter.places]
        self.twice = enumerated_twice(said.facts.plain, matter.facts, units)
        self.reversed = tuple(self._reversed(picked))

    @property
    def coverage(self) -> float:
        """Share of the statement's own words, numbers and dates that it has, 0..1."""
        total = (
            len(self.claimed)
            + len(self._matter.said.facts.numbers)
            + len(self._matter.said.facts.dates)
        )
        return (sum(self.claimed.values()) + self.stated) / total if total else 1.0

    def _present(
        self, words: Iterable[str], places: Sequence[int], naming: frozenset[str]
    ) -> dict[str, bool]:
        """Which words some units have; what only names a calculation need not be there."""
        present = {
            word: self._matter.has(word, places) or self._matter.has_in_figures(word, places)
            for word in words
        }
        return {word: has for word, has in present.items() if has or word not in naming}

    def same_words(self, word: str) -> frozenset[str]:
        """A word of the statement or the question, and those in the sources that say the same."""
        return self._matter.same(word)

    def _places_of(self, fact: Number | Date) -> frozenset[int]:
        """The units that state a number or a date, and are about the same matter."""
        overlap = self._matter.overlap_around(fact)
        stating = [
            place
            for place, (_, unit) in enumerate(self._matter.places)
            if self._matter.states(unit.facts, fact) and not self._matter.displaces(unit, fact)
        ]
        if self._matter.is_displaced(fact, overlap, max((overlap[p] for p in stating), default=0)):
            return frozenset()
        least = SAME_MATTER * max(overlap, default=0)
        return frozenset(place for place in stating if self._matter.eased(overlap, place) >= least)

    def _knows(self, name: Name) -> bool:
        wanted = set(terms(name.text))
        if wanted <= set(terms(self._matter.question.text)):
            return True
        if not wanted <= set().union(*(source.words | source.above for source in self.sources)):
            return False
        if not name.sure:
            return True
        overlap = self._matter.overlap_around(name)
        having = (
            amount
            for (_, unit), amount in zip(self._matter.places, overlap, strict=True)
            if not wanted.isdisjoint(unit.quotable.terms) and not self._matter.displaces(unit, name)
        )
        return not self._matter.is_displaced(name, overlap, max(having, default=0))

    def _pick(
        self, own: frozenset[str], stating: Mapping[Number | Date, frozenset[int]]
    ) -> list[int]:
        overlap = self._matter.overlap(own, self._matter.question.words)
        least = RELEVANT * max(overlap, default=0)
        has = [
            {word for word in own if not self._matter.same(word).isdisjoint(unit.quotable.terms)}
            | {fact for fact, places in stating.items() if place in places}
            for place, (_, unit) in enumerate(self._matter.places)
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
        overlap = self._matter.overlap(
            self._matter.said.words, self._matter.question.words - self._matter.said.words
        )
        least = SAME_MATTER * max(overlap, default=0)
        close = [self._matter.places[place][1] for place in picked if overlap[place] >= least]
        negated = negated_terms(self._matter.said.facts.plain)
        for word in sorted(filter(content_terms, self._matter.said.words)):
            same = self._matter.same(word)
            find = negated_terms if word in negated else plain_terms
            having = [unit for unit in close if not same.isdisjoint(unit.quotable.terms)]
            if having and all(same.isdisjoint(find(unit.facts.plain)) for unit in having):
                yield word
