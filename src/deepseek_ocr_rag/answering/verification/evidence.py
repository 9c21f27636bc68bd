"""Selects the sentences of cited passages that support a claim, and what they lack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number, is_year
from ...text.terms import content_terms, is_pair_of_characters, terms
from .alignment import is_same
from .calculations.derivation import (
    Derivation,
    derivation,
    difference_of_claimed,
)
from .calculations.table_sums import counted_rows
from .comparison import ClaimComparison
from .facts import Name, years_in
from .indexes.time_limit import NO_LIMIT, TimeLimit
from .lexicon import GERMAN_NOT_NAMES, UNIT_WORDS
from .negation import names_negation, negated_terms, plain_terms
from .parts.coordination import is_in_whole_part
from .parts.elsewhere import (
    crosses_at,
    is_below_other_head,
    is_in_other_clause,
    is_in_other_column,
    is_of_other_designation,
    is_of_other_part,
    is_only_above,
    is_only_in_other_column,
    is_other_in_sentence,
    is_own_clause,
)
from .parts.placement import Placement, placement
from .repeated_facts import enumerated_twice, restated_otherwise
from .statements import CitedSource, FactualUnit, Statement, as_number, has_figure
from .table_columns import units_in

__all__ = ["Evidence"]

_ELIDED: Final = re.compile(
    r"^(?:[cdjlmnst]|qu|un|(?:d|n)?ell|[sd]?all|sull)['’](?=\w{2})", re.IGNORECASE
)
"""An article or preposition that is joined to a name: "L'autore"."""

RELEVANT: Final = 0.3
"""A unit counts as evidence from this share of the best unit's overlap on: a matching number in an
unrelated sentence is a coincidence."""

SAME_TOPIC: Final = 0.6
"""The same share, for a unit that must have a number or a date."""

SHARES: Final = (0.99, 0.8, SAME_TOPIC, 0.45, RELEVANT)
"""The same, for units with the operands of a calculation; these shares are tried in turn."""

SHORT: Final = 3
"""A claim with at most this many words, numbers and dates needs every word in its sources: half of
"The ferry sank." would be just the ferry."""


LONGEST_UNIT: Final = 14
"""Characters after a number within which its unit must come."""


class Evidence:
    """The units of some sources that a claim rests on.

    ``units`` are picked greedily, each time the unit with most of what is still missing.
    ``claimed`` says for each of the claim's own words whether they have it, ``asked`` for each word
    of the question whether they or their neighbours have it. ``stated`` counts the claim's numbers
    and dates that are in the units or follow from them; ``stated_facts`` are those that the units
    contain. ``lacking`` are numbers, dates and names of the claim that the units neither have nor
    imply by a calculation. ``repeated`` are numbers and dates that the claim enumerates twice and
    the sources do not; ``restated`` are amounts that the claim repeats with another value;
    ``negations`` are words that are negated in the claim or the sources, but not in both;
    ``unsaid`` are words of a short claim that no source has; ``misplaced`` are words that the
    sources have for something else.
    """

    def __init__(
        self,
        claim: Statement,
        question: Statement,
        sources: Sequence[CitedSource],
        limit: TimeLimit = NO_LIMIT,
    ) -> None:
        self._comparison = comparison = ClaimComparison(claim, question, sources, limit)
        self.sources = comparison.sources
        # A month alone counts as a fact, so it must not count as a word, too.
        months = {term for date in claim.facts.dates if date.is_month for term in terms(date.text)}
        self._words = claim.words - months
        own = self._words - question.words
        stating = {fact: self._units_stating(fact) for fact in comparison.facts}
        absent = [f for f in comparison.facts if not stating[f] and not comparison.stated_above(f)]
        derived = {
            fact: found
            for fact in absent
            if isinstance(fact, Number)
            and not _is_in_code(claim.facts.plain, fact)
            and not is_only_in_other_column(comparison, fact)
            and (found := derivation(fact, comparison, SHARES))
        }
        stating |= {fact: found.units for fact, found in derived.items()}
        for fact in (f for f in absent if isinstance(f, Number) and f not in derived):
            if found := difference_of_claimed(fact, comparison, stating):
                derived[fact] = found
        stating |= {fact: found.units for fact, found in derived.items()}
        sums = [found.operands for found in derived.values() if found.is_of_all]
        # "It was 30.0 % (622 / 2,071)" is about the rows of both figures, whatever their labels, and
        # "the three orchards together 275" is about all three.
        shown: dict[Number | Date, frozenset[int]] = {
            fact: units
            for fact in absent
            if isinstance(fact, Number)
            and (
                units := self._showing(fact, derived.values())
                or counted_rows(fact, comparison, sums)
            )
        }
        stating |= shown
        absent = [fact for fact in absent if fact not in shown]
        naming = frozenset(word for found in derived.values() for word in found.naming)
        picked = self._pick(own, stating)
        operands = {index for found in derived.values() for index in found.units}
        picked += sorted(operands.difference(picked))
        self.units = tuple(comparison.units[index][1] for index in picked)
        self.claimed = self._present(own, picked, naming)
        near = sorted({index for at in picked for index in comparison.around(at)})
        self.asked = self._present(question.words, near, naming)
        unstated = [fact.text for fact in absent if fact not in derived]
        self.stated = len(comparison.facts) - len(unstated)
        self.derived = sum(fact not in shown for fact in derived)
        self.stated_facts = tuple(f for f in comparison.facts if f not in absent)
        # A claim that lacks a figure is refused anyway.
        where = Placement() if unstated else placement(comparison, naming)
        self.misplaced = where.misplaced
        names = [
            name.text
            for name in claim.facts.names
            if not where.placed.issuperset(terms(name.text))
            and not (naming.issuperset(terms(name.text)) or self._has_name(name))
            and not comparison.parts.is_mark(name)
        ]
        self.lacking = (*unstated, *names, *self._asked_of_other_rows(picked))
        texts = [unit.facts.plain for _, unit in comparison.units]
        self.repeated = enumerated_twice(claim.facts.plain, comparison.facts, texts)
        self.restated = restated_otherwise(claim.facts.plain, claim.facts.numbers)
        self.negations = tuple(self._differing_negations(picked))
        self.unsaid = self._unsaid_words()

    @property
    def coverage(self) -> float:
        """Share of the claim's own words, numbers and dates that the evidence has, 0..1."""
        total = len(self.claimed) + len(self._comparison.facts)
        return (sum(self.claimed.values()) + self.stated) / total if total else 1.0

    def equivalents(self, word: str) -> frozenset[str]:
        """See :meth:`ClaimComparison.equivalents`."""
        return self._comparison.equivalents(word)

    def _present(
        self, words: Iterable[str], indices: Sequence[int], naming: frozenset[str]
    ) -> dict[str, bool]:
        """Whether units have each word; an absent word that only names a calculation is left out."""
        present = {
            word: self._comparison.has(word, indices)
            or self._comparison.has_in_figures(word, indices)
            for word in words
        }
        return {word: has for word, has in present.items() if has or word not in naming}

    def _unsaid_words(self) -> tuple[str, ...]:
        """The words of a short claim that no source has.

        There are none if the evidence is a table row, which has no verb, or if the words are Chinese,
        Japanese or Korean, whose terms are pairs of characters.
        """
        claim, facts = self._comparison.claim, self._comparison.facts
        if len(self._words) + len(facts) > SHORT or any(unit.is_row for unit in self.units):
            return ()
        if self.claimed or facts:
            # Words of the question may just name what is asked for: "Its colour is red."
            absent = {word for word, has in self.claimed.items() if not has}
        else:
            absent = {word for word in claim.words if not self._comparison.is_known(word)}
        return tuple(sorted(w for w in absent - GERMAN_NOT_NAMES if not is_pair_of_characters(w)))

    def _showing(self, number: Number, derived: Iterable[Derivation]) -> frozenset[int]:
        """The rows of those operands of the derivations that are equal to a number."""
        comparison = self._comparison
        operands = (figure for found in derived for figure in found.operands)
        rows = {f.row for f in operands if number.matches(as_number(f.value))}
        return frozenset(
            row
            for row in rows
            if not is_in_other_column(comparison, comparison.units[row][1], number)
            and not is_below_other_head(comparison, comparison.units[row][1], number)
            and not is_of_other_part(comparison, comparison.units[row][1], number)
        )

    def _units_stating(self, fact: Number | Date) -> frozenset[int]:
        """The units that state a number or a date and are about the same topic."""
        comparison = self._comparison
        plain = comparison.claim.facts.plain
        copied = {i for i, (_, unit) in enumerate(comparison.units) if is_same(plain, unit.own)}
        if copied and len(self._words) > SHORT:
            return frozenset(copied)
        overlap = comparison.overlap_around(fact)
        stating = [
            index
            for index, (_, unit) in enumerate(comparison.units)
            if (comparison.states(unit.facts, fact) or crosses_at(unit, fact))
            and (
                not comparison.displaces(unit, fact)
                or crosses_at(unit, fact)
                or is_own_clause(comparison, unit, fact)
                or is_in_whole_part(comparison, unit, fact)
            )
            and not is_in_other_column(comparison, unit, fact)
            and not is_below_other_head(comparison, unit, fact)
            and not comparison.is_of_other_row(unit)
            and not comparison.is_beside_named_row(unit, comparison.told_rows)
            and not is_of_other_part(comparison, unit, fact)
            and not is_of_other_designation(comparison, unit, fact)
            and not is_in_other_clause(comparison, unit, fact)
            and not is_only_above(unit, fact)
            and not is_other_in_sentence(comparison, unit, fact)
            and not self._is_in_other_unit(unit, fact)
            and not comparison.is_given(unit, fact)
        ]
        rows = [index for index, (_, unit) in enumerate(comparison.units) if unit.is_row]
        # A row has fewer words than a sentence that says the same, so rows are compared with rows.
        best_row = max((overlap[index] for index in rows), default=0)
        others = comparison.rows_of_others(fact)
        best_free = max((overlap[index] for index in rows if index not in others), default=0)
        found = {
            index
            for index in rows
            if index in stating
            and not self._is_displaced_line(index, fact, overlap)
            and (
                comparison.has_label_of(index, fact)
                or overlap[index]
                >= SAME_TOPIC
                * (
                    best_free
                    if comparison.named(comparison.units[index][1].citable.terms)
                    else best_row
                )
            )
        }
        reached = max((overlap[i] for i in stating), default=0)
        if not comparison.is_displaced(fact, overlap, reached):
            threshold = SAME_TOPIC * max(overlap, default=0)
            found |= {i for i in stating if comparison.smoothed(overlap, i) >= threshold}
        if contrary := self._contrary_overlap(fact, overlap):
            found = {
                index
                for index in found
                if overlap[index] >= contrary and not self._is_of_other_years(index)
            }
        return frozenset(found)

    def _is_displaced_line(self, index: int, fact: Number | Date, overlap: Sequence[float]) -> bool:
        """Whether a row without table markup has less of the claim than a unit that contradicts it."""
        comparison = self._comparison
        return not comparison.units[index][1].citable.is_row and comparison.is_displaced(
            fact, overlap, overlap[index]
        )

    def _contrary_overlap(self, fact: Number | Date, overlap: Sequence[float]) -> float:
        """The highest overlap of a named row that has a number only in another column, or 0.

        A unit with the same number and less of the claim is about something else.
        """
        comparison = self._comparison
        return max(
            (
                overlap[index]
                for index, (_, unit) in enumerate(comparison.units)
                if comparison.has_label_of(index, fact)
                and (
                    is_in_other_column(comparison, unit, fact)
                    or is_below_other_head(comparison, unit, fact)
                )
            ),
            default=0.0,
        )

    def _is_in_other_unit(self, unit: FactualUnit, fact: Number | Date) -> bool:
        """Whether a row has cells with units of measurement, but not the unit after a number."""
        behind = terms(self._comparison.claim.facts.plain[fact.span[1] :][:LONGEST_UNIT])[:1]
        same = UNIT_WORDS.get("".join(behind))
        units = units_in(unit.citable.text) if same and unit.citable.is_row else frozenset()
        return bool(units) and units.isdisjoint(same or ())

    def _is_of_other_years(self, index: int) -> bool:
        """Whether a unit names years, but none that the claim or question names."""
        comparison = self._comparison
        years = years_in(comparison.units[index][1].citable.text)
        return bool(years and comparison.years) and years.isdisjoint(comparison.years)

    def _asked_of_other_rows(self, picked: Sequence[int]) -> Iterator[str]:
        """The numbers of the question that only other rows of the table have, not the evidence.

        "The kingfisher." is wrong for a question about 100 % if another row has that figure.
        """
        comparison = self._comparison
        rows = [unit for index in picked if (unit := comparison.units[index][1]).citable.is_row]
        if comparison.facts or not rows:
            return
        beside = [unit for row in rows for unit in comparison.table_of(row)]
        for number in comparison.question.facts.numbers:
            if is_year(number.text) or any(has_figure(row, number) for row in rows):
                continue
            if any(has_figure(row, number) for row in beside):
                yield number.text

    def _has_name(self, name: Name) -> bool:
        comparison = self._comparison
        wanted = set(terms(_ELIDED.sub("", name.text)))
        if wanted <= set(terms(comparison.question.text)):
            return True
        there = set().union(*(source.words | source.above for source in self.sources))
        found = [comparison.forms(term, there, inflected=not name.sure) for term in wanted]
        if not all(found):
            return False
        wanted.update(*found)
        if not name.sure:
            return True
        overlap = comparison.overlap_around(name)
        having = (
            amount
            for (_, unit), amount in zip(comparison.units, overlap, strict=True)
            if not wanted.isdisjoint(_terms_of(unit))
            and (not comparison.displaces(unit, name) or is_in_whole_part(comparison, unit, name))
        )
        return not comparison.is_displaced(name, overlap, max(having, default=0))

    def _pick(
        self, own: frozenset[str], stating: Mapping[Number | Date, frozenset[int]]
    ) -> list[int]:
        overlap = self._comparison.overlap(own, self._comparison.question.words)
        threshold = RELEVANT * max(overlap, default=0)
        has = [
            {word for word in own if not self.equivalents(word).isdisjoint(unit.citable.terms)}
            | {fact for fact, indices in stating.items() if index in indices}
            for index, (_, unit) in enumerate(self._comparison.units)
        ]
        relevant = [index for index, amount in enumerate(overlap) if amount >= threshold]
        missing: set[object] = {*own, *stating}
        picked: list[int] = []
        while relevant:
            best = max(relevant, key=lambda index: (len(missing & has[index]), overlap[index]))
            if picked and not missing & has[best]:
                break
            picked.append(best)
            missing -= has[best]
        return picked

    def _differing_negations(self, picked: Sequence[int]) -> Iterator[str]:
        claim = self._comparison.claim
        overlap = self._comparison.overlap(
            claim.words, self._comparison.question.words - claim.words
        )
        threshold = SAME_TOPIC * max(overlap, default=0)
        close = [self._comparison.units[i][1] for i in picked if overlap[i] >= threshold]
        negated = negated_terms(claim.facts.plain)
        for word in sorted(filter(content_terms, claim.words)):
            same = self.equivalents(word)
            find = negated_terms if word in negated else plain_terms
            having = [unit for unit in close if not same.isdisjoint(unit.citable.terms)]
            if word in negated:
                having = [unit for unit in having if not names_negation(unit.citable.heads)]
            if having and all(same.isdisjoint(find(unit.facts.plain)) for unit in having):
                yield word


def _is_in_code(plain: str, number: Number) -> bool:
    """Whether a number belongs to a code such as "Q2", which is never a result."""
    start = number.span[0]
    return start > 0 and plain[start - 1].isalpha() and number.text[0].isdigit()


def _terms_of(unit: FactualUnit) -> frozenset[str]:
    """The terms of a unit; for a row also those of the head, which say what its cells are."""
    above = unit.citable.terms_above if unit.citable.is_row else frozenset()
    return unit.citable.terms | above
