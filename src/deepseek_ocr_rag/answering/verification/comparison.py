"""Compares a claim with each sentence of its sources: words and facts that agree or contradict."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from ...document.table_heads import cells_of_row
from ...retrieval.line_items import related_items
from ...text.dates import Date
from ...text.numerals import Number, is_year
from ...text.terms import content_terms, terms
from ...text.word_lists import SCALE_WORDS
from .alignment import clause, is_displaced, words_in
from .citable_units import TableKey
from .facts import Facts, Name, years_in
from .indexes.time_limit import TimeLimit
from .lexicon import UNIT_WORDS, direction
from .parts.claim_parts import ClaimParts
from .parts.designations import numbered_words
from .parts.name_forms import name_forms
from .row_labels import NamedRows, mark_of_row, row_label
from .statements import CitedSource, FactualUnit, Statement, has_figure, known_words

__all__ = ["ClaimComparison"]

NEIGHBOURS: Final = 2
"""How many units before and after the evidence may have the words of the question."""


class ClaimComparison:
    """Compares a claim with the sources that it cites.

    ``units`` are all units of the sources, each with its source; methods take indices into this
    list. ``facts`` are the claim's numbers and dates, ``years`` the years that claim or question
    names. ``told_rows`` says which rows they name; ``rows`` adds the line items that they mean.
    """

    def __init__(
        self,
        claim: Statement,
        question: Statement,
        sources: Sequence[CitedSource],
        limit: TimeLimit,
    ) -> None:
        self.claim, self.question, self.sources = claim, question, tuple(sources)
        self._limit = limit
        self.units = [(source, unit) for source in sources for unit in source.units]
        # A statement may call "capital expenditure" "Purchases of property and equipment".
        self._related = frozenset(related_items(question.text))
        asked = claim.words | question.words | self._related
        self._equivalents = known_words(self.sources).of(asked)
        self.facts: list[Number | Date] = [*claim.facts.numbers, *claim.facts.dates]
        self.own_years = years_in(claim.text)
        self.years = self.own_years | years_in(question.text)
        own = [
            unit.citable.terms | unit.citable.terms_above | source.above
            for source, unit in self.units
        ]
        # "It holds 1.5 L." is about the thing that the sentence before it names.
        for index in reversed(range(1, len(own))):
            if self.units[index][1].continues:
                own[index] |= own[index - 1]
        texts_of_units = [unit.own for _, unit in self.units]
        marks = (mark_of_row(unit.citable) for _, unit in self.units if unit.is_row)
        heads = {head for _, unit in self.units for head in unit.citable.heads}
        names = (cell for head in heads for cell in cells_of_row(head))
        self.numbered = numbered_words(texts_of_units, names).union(m.word for m in marks if m)
        self.parts = ClaimParts(claim, question, self._equivalents, self.numbered)
        years = range(min(self.years, default=0), max(self.years, default=-1) + 1)
        self._is_bare = claim.words <= UNIT_WORDS.keys() | SCALE_WORDS.keys()
        # An answer that is only a number, such as "4", does not name the row "4 rooms".
        naming = question.text if self._is_bare else f"{question.text} ; {claim.text}"
        said = content_terms(naming)
        # "K0" and "Q3" can name a column as words do, and so can the "nine" of "nine months".
        self.codes = frozenset(t for t in said if _has_digit(t) and any(map(str.isalpha, t)))
        counted = (question,) if self._is_bare else (question, claim)
        worded = {number.text.casefold() for each in counted for number in each.facts.numbers}
        self.codes |= frozenset(filter(str.isalpha, worded))
        self.codes |= self.parts.terms() | self.parts.bare_marks()
        told = self.parts.terms().union(
            said,
            map(str, years),
            *(self._equivalents[word] for word in claim.words | question.words),
        )
        texts = question.text, claim.text
        self.told_rows = NamedRows(told, texts)
        self.rows = NamedRows(told.union(*self._equivalents.values()), texts)
        self._named: dict[NamedRows, list[FactualUnit]] = {}
        self._tables: dict[TableKey | None, list[FactualUnit]] = {}
        for _, unit in self.units:
            if unit.citable.is_row:
                self._tables.setdefault(unit.citable.table, []).append(unit)
        self._having = {
            word: frozenset(i for i, found in enumerate(own) if not same.isdisjoint(found))
            for word, same in self._equivalents.items()
        }
        self._stating = {
            fact: frozenset(i for i, (_, u) in enumerate(self.units) if self.states(u.facts, fact))
            for fact in self.facts
        }

    def equivalents(self, word: str) -> frozenset[str]:
        """A word of the claim or the question, and its equivalents in the sources."""
        return self._equivalents[word] | {word}

    def equivalents_of(self, word: str) -> frozenset[str]:
        """As :meth:`equivalents`, for any word."""
        return self._equivalents.get(word, frozenset()) | {word}

    def having(self, word: str) -> frozenset[int]:
        """The units that have a word of the claim or question, themselves or in what is above them."""
        return self._having[word]

    def is_known(self, word: str) -> bool:
        """Whether the sources have a word, or an equivalent one, anywhere."""
        return bool(self._equivalents[word])

    def overlap(self, words: Iterable[str], others: Iterable[str]) -> list[float]:
        """How much of ``words`` each unit has; the ``others`` count half.

        A word that fewer units have counts more, because the heads of a table are above all its rows.
        """
        amounts = [0.0] * len(self.units)
        for share, counted in ((1.0, words), (0.5, others)):
            for word in counted:
                self._add(amounts, self._having[word], share)
        return amounts

    def overlap_around(self, fact: Number | Date | Name) -> list[float]:
        """How much of the claim each unit has: words beside a fact, other words, and other facts."""
        self._limit.check()
        beside = self._beside(fact)
        # "12.5 %, lower than the statutory rate of 21 %": the row of 12.5 is not about that rate.
        of_others = [self._beside(other) for other in self.facts if other is not fact]
        theirs = frozenset().union(*of_others) - beside
        words = self.claim.words | self.question.words | self._related
        if isinstance(fact, Name):
            theirs -= self.question.words
            # A sentence that has only the name says nothing about what is claimed of it.
            named = self._run_of(fact) - self.question.words
            words &= self.parts.of(fact).words | self.question.words | self._related
            beside, words = beside - named, words - named
        amounts = self.overlap(beside, words - beside - theirs)
        elsewhere = frozenset() if isinstance(fact, Name) else self.rows_of_others(fact)
        part = self.parts.of(fact) if isinstance(fact, Name) else self.claim
        for other in self.facts:
            if other is not fact and other.text in part.text:
                self._add(amounts, self._stating[other] - elsewhere, 1.0)
        return amounts

    def rows_of_others(self, fact: Number | Date) -> frozenset[int]:
        """The rows that have other numbers of the claim but not this one, if any unit states this one.

        In "5.9 % (2 / 34)", a row that has the 34 is not necessarily the row of the 2.
        """
        own = self._stating[fact]
        if not own:
            return frozenset()
        others = (self._rows_with_figure(other) for other in self.facts if other is not fact)
        return frozenset().union(*others) - own

    def has_label_of(self, index: int, fact: Number | Date | None = None) -> bool:
        """Whether claim and question name the whole label of a row, and the row has ``fact``, if given."""
        unit = self.units[index][1]
        label = row_label(unit.citable, remarks=False) if unit.is_row else frozenset()
        if not unit.citable.is_row or not self.rows.is_named(label):
            return False
        if not isinstance(fact, Number):
            return fact is None
        return has_figure(unit, fact) or (is_year(fact.text) and fact.text in label)

    def _rows_with_figure(self, fact: Number | Date) -> frozenset[int]:
        """The rows that have a number in one of their cells, not only in the head above."""
        if not isinstance(fact, Number):
            return frozenset()
        return frozenset(
            index
            for index in self._stating[fact]
            if (unit := self.units[index][1]).is_row and has_figure(unit, fact)
        )

    def _beside(self, fact: Number | Date | Name) -> frozenset[str]:
        """The words of the part of the claim around a fact."""
        around = Statement.of(clause(self.claim.facts.plain, fact.span))
        return around.words & self._equivalents.keys()

    def _run_of(self, name: Name) -> frozenset[str]:
        """The terms of a name and of the names beside it: "Ruth Almeida"."""
        plain = self.claim.facts.plain
        run = [name]
        for other in self.claim.facts.names:
            start, end = min(n.span[0] for n in run), max(n.span[1] for n in run)
            if plain[end : other.span[0]] == " " or plain[other.span[1] : start] == " ":
                run.append(other)
        return frozenset(term for each in run for term in terms(each.text))

    def _add(self, amounts: list[float], having: Collection[int], share: float) -> None:
        """Add the self-information of something to the units that have it."""
        if having:
            information = share * math.log(1 + len(self.units) / len(having))
            for index in having:
                amounts[index] += information

    def smoothed(self, overlap: Sequence[float], index: int) -> float:
        """A unit's overlap, or the mean of its own and a neighbour's if that is greater.

        A line break within a sentence splits it into two units. A table row counts alone.
        """
        if self.units[index][1].is_row:
            return overlap[index]
        beside = [overlap[near] for near in (index - 1, index + 1) if 0 <= near < len(overlap)]
        return max(overlap[index], (overlap[index] + max(beside, default=0)) / 2)

    def has(self, word: str, indices: Iterable[int]) -> bool:
        """Whether any of the units, or the headings above them, have a word."""
        return not self._having[word].isdisjoint(indices)

    def has_in_figures(self, word: str, indices: Iterable[int]) -> bool:
        """Whether the figures of any unit show the rise or fall that a word names.

        This is not part of :meth:`has`, because many rows show a rise or fall without being relevant.
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
        """Whether the given facts of a source include a number or a date."""
        self._limit.check()
        if isinstance(fact, Number):
            return any(fact.matches(stated) for stated in facts.numbers)
        return any(
            fact.matches(stated) and (stated.year is not None or self._has_year(fact))
            for stated in facts.dates
        )

    def is_of_other_row(self, unit: FactualUnit) -> bool:
        """Whether the claim names another row of figures, and no word of this one.

        The words above this row count for it, because a label may be in a row of its own.
        """
        if not unit.is_row:
            return False
        own = self.among(self.claim.words, unit.citable.terms)
        if own:
            return False
        above = self.among(self.claim.words, unit.citable.terms_above)
        return any(
            other.is_row
            and other.figures
            and self.among(self.claim.words, other.citable.terms) - above
            for _, other in self.units
        )

    def is_beside_named_row(self, unit: FactualUnit, rows: NamedRows | None = None) -> bool:
        """Whether claim and question name another row of the same table by its whole label, not this one.

        A figure of "The first boat" does not belong to "The last boat". If one label has all words
        of another and more, as "total current assets" has those of "total assets", the longer one is
        meant, unless the text has the words of the shorter one twice. A row that has another number
        of the claim may be named for that number, and does not count.
        """
        if not unit.citable.is_row:
            return False
        rows = rows or self.rows
        return any(
            rows.is_named_instead(other.citable, unit.citable)
            and not any(has_figure(other, fact) for fact in self.claim.facts.numbers)
            for other in self.named_rows(rows)
            if other.citable.table == unit.citable.table
        )

    def named_rows(self, rows: NamedRows) -> Sequence[FactualUnit]:
        """The rows with figures that ``rows`` may name."""
        if rows not in self._named:
            self._named[rows] = [
                unit
                for _, unit in self.units
                if unit.citable.is_row and unit.figures and rows.may_name(unit.citable)
            ]
        return self._named[rows]

    def is_given(self, unit: FactualUnit, fact: Number | Date) -> bool:
        """Whether an answer's only number just repeats the question's, in the label or head of a row.

        "16" does not answer "What is the resistance with 16 pins?", even if a column has that head.
        """
        if not (self._is_bare and isinstance(fact, Number) and unit.citable.is_row):
            return False
        given = not is_year(fact.text) and self.states(self.question.facts, fact)
        return given and bool(unit.figures) and not has_figure(unit, fact)

    def table_of(self, row: FactualUnit) -> Sequence[FactualUnit]:
        """All rows of the table that a row belongs to, as far as the sources have them."""
        return self._tables[row.citable.table]

    def named(self, found: Collection[str]) -> set[str]:
        """The words of claim and question that are among ``found``, without numbers and units."""
        return self.among(self.claim.words | self.question.words, found)

    def among(self, words: Iterable[str], found: Collection[str]) -> set[str]:
        """Those ``words`` of claim or question that are among ``found``, without numbers and units."""
        self._limit.check()
        return {
            word
            for word in words
            if word not in UNIT_WORDS
            and not _has_digit(word)
            and not self._equivalents[word].isdisjoint(found)
        }

    def stated_above(self, fact: Number | Date) -> bool:
        """Whether a fact is one of the question's, such as its year, and occurs in the sources.

        A number that is the whole answer does not count.
        """
        if isinstance(fact, Number) and (
            fact.is_points or (self._is_bare and not is_year(fact.text))
        ):
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
        self._limit.check()
        plain = self.claim.facts.plain
        spans = [fact.span]
        is_cell = isinstance(fact, Number) or (isinstance(fact, Date) and fact.is_month)
        if is_cell and not isinstance(fact, Name) and unit.is_row and self.states(unit.facts, fact):
            # In "12.5 13.0 V", neither figure displaces the other.
            return False
        if isinstance(fact, Number) and self._is_bare and self.states(unit.facts, fact):
            # The answer "127 million" has no words beside it to compare with "127 million and 131 million".
            return False
        if isinstance(fact, Name) and unit.is_row and self._has_name(unit, fact):
            # The cells beside a cell or its head have nothing to do with it.
            return False
        if isinstance(fact, Date):
            spans = words_in(plain, fact.span)
            same = [set(terms(date.text)) for date in unit.facts.dates if fact.matches(date)]
            if same and set(terms(fact.text)) not in same:
                # Written in another form, so it cannot be compared word by word.
                return False
        # The head of a table belongs to its rows, but a heading is not part of a sentence.
        stated = unit.facts.plain if unit.is_row else unit.own
        return any(is_displaced(plain, span, stated) for span in spans)

    def forms(self, term: str, there: Collection[str], *, inflected: bool = False) -> set[str]:
        """The forms of a name's term that occur in ``there``; ``inflected`` if it may not be a name."""
        alike = self._equivalents.get(term, ()) if inflected else ()
        return name_forms(term, there, self.claim.languages, alike)

    def _has_name(self, unit: FactualUnit, name: Name) -> bool:
        there = unit.citable.terms | unit.citable.terms_above
        return all(self.forms(term, there) for term in terms(name.text))

    def _has_year(self, date: Date) -> bool:
        """Whether the sources have the date's year anywhere, because a page often names it only once."""
        return date.year is None or any(
            Decimal(date.year) in number.values
            for facts in self._all_facts()
            for number in facts.numbers
        )

    def _all_facts(self) -> Iterator[Facts]:
        for source in self.sources:
            yield source.facts_above
            yield from (unit.facts for unit in source.units)


def _has_digit(term: str) -> bool:
    return any(map(str.isdigit, term))
