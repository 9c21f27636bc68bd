"""Splits statements and their sources into words and facts, which can be compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ...retrieval.retriever import Passage
from ...text.languages import function_words, languages
from ...text.numerals import Number
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms
from .citable_units import CitableUnit, citable_units
from .facts import Facts, claimed_facts, stated_facts
from .indexes.equivalents import Equivalents
from .indexes.time_limit import NO_LIMIT, TimeLimit
from .lexicon import (
    FRAME_WORDS,
    JOINING_WORDS,
    OPENING_PRONOUN,
    YES_OR_NO,
    Direction,
)
from .row_labels import rows_apart
from .table_figures import (
    Figure,
    directions_of_figures,
    figures_of,
    is_row_of_figures,
    with_years,
)

__all__ = [
    "CitedSource",
    "FactualUnit",
    "Statement",
    "as_number",
    "equivalent_words",
    "has_figure",
    "known_words",
]

_AFFIX: Final = re.compile(r"\bFY(?=[0-9])|(?<=[0-9])(?:st|nd|rd|th)\b")
"""Affixes of a number: "FY2022" means just the year."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer, or a question.

    ``words`` are its terms without function words, numbers and words about the answer itself
    ("according to the document").
    """

    text: str
    words: frozenset[str]
    facts: Facts
    languages: frozenset[str] = frozenset()  # that it may be written in

    @classmethod
    @lru_cache(maxsize=2**10)
    def of(cls, text: str) -> Statement:
        """Parse a text. The latest ones are cached, because one claim is compared with many passages."""
        facts = claimed_facts(text)
        plain = _AFFIX.sub(" ", plain_text(text))
        words = {t for t in content_terms(plain) if not any(map(str.isdigit, t))}
        if not text.isupper():
            # Otherwise "U.S.", whose term is the function word "us", would be lost.
            words |= {term for name in facts.names for term in terms(name.text)}
        words -= {term for number in facts.numbers for term in terms(number.text)}
        spoken = languages(plain)
        if "en" not in spoken:
            # English function words are not content terms anyway.
            words -= function_words(plain)
        return cls(text, frozenset(words - FRAME_WORDS - JOINING_WORDS), facts, spoken)

    @property
    def is_empty(self) -> bool:
        """Whether it states nothing: no word, no fact, and neither yes nor no."""
        facts = self.facts.numbers or self.facts.dates or self.facts.names
        return not (self.words or facts or YES_OR_NO.search(self.text))


@dataclass(frozen=True, slots=True)
class FactualUnit:
    """A citable unit with the facts that it states."""

    citable: CitableUnit
    facts: Facts  # its numbers and dates, and those above it
    directions: frozenset[Direction]  # rises and falls that its figures show
    is_row: bool  # with or without markup
    figures: tuple[Figure, ...]  # its own, for calculation
    own: str  # its text without markup and without what is above it
    continues: bool = False  # whether it goes on about something in the sentence before it


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A cited passage."""

    name: str  # of its document
    words: frozenset[str]  # all its terms
    above: frozenset[str]  # terms of its headings and its file's name, which support each sentence
    facts_above: Facts  # the facts of headings and file name
    units: tuple[FactualUnit, ...]  # its sentences, list items and table rows
    known: Equivalents = field(compare=False, repr=False)  # its terms and those above it

    @classmethod
    def of(
        cls,
        passage: Passage,
        index: int,
        years: tuple[str, ...] = (),
        limit: TimeLimit = NO_LIMIT,
    ) -> CitedSource:
        """Prepare a passage for comparison.

        Args:
            passage: A passage.
            index: Its index among the cited passages.
            years: The years of the line above it, see :func:`~.citable_units.years_above`.
            limit: When to give up.
        """
        above = " ; ".join((*passage.section, re.split(r"[/\\]", passage.source)[-1]))
        found = []
        for citable in rows_apart(citable_units(passage, index, years)):
            limit.check()
            found.append(_unit(citable))
        for at, (before, unit) in enumerate(pairwise(found), 1):
            if not (before.is_row or unit.is_row) and OPENING_PRONOUN.match(unit.facts.plain):
                found[at] = replace(unit, continues=True)
        words = frozenset(terms(plain_text(passage.text)))
        named = frozenset(terms(above))
        known = Equivalents(words | named)
        return cls(passage.source, words, named, stated_facts(above), tuple(found), known)


def known_words(sources: Sequence[CitedSource]) -> Equivalents:
    """The words of all given sources."""
    if len(sources) == 1:
        return sources[0].known
    return Equivalents(word for source in sources for word in source.words | source.above)


def _unit(citable: CitableUnit) -> FactualUnit:
    plain = plain_text(citable.text)
    facts = stated_facts(citable.text, citable.above)
    above = plain_text(f" ; {citable.above}") if citable.above else ""
    own = facts.plain.removesuffix(above)
    figures = figures_of(own, 0)
    return FactualUnit(
        citable,
        facts,
        directions_of_figures(plain),
        citable.is_row or is_row_of_figures(plain),
        with_years(figures, citable.text, citable.heads),
        own,
    )


def equivalent_words(
    words: Iterable[str], vocabulary: Collection[str]
) -> dict[str, frozenset[str]]:
    """For each word, the equivalent words of a vocabulary.

    They are the word itself, inflected or misread by OCR, or another word for a rise or a fall.
    """
    return Equivalents(vocabulary).of([*words])


def has_figure(unit: FactualUnit, number: Number) -> bool:
    """Whether a number is among the unit's own figures."""
    return any(number.matches(as_number(figure.value)) for figure in unit.figures)


def as_number(value: Decimal) -> Number:
    """Make a number, without its sign, to compare others with."""
    return Number("", frozenset((abs(value),)))
