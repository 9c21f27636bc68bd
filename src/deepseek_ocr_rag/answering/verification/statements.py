"""Statements and their sources, split into what can be compared: words and facts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ...retrieval.retriever import Passage
from ...text.languages import function_words, languages
from ...text.numerals import Number
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms, with_stems
from .citable_units import CitableUnit, citable_units
from .facts import Facts, claimed_facts, stated_facts
from .lexicon import (
    FRAME_WORDS,
    JOINING_WORDS,
    MEASURE_WORDS,
    OPENING_PRONOUN,
    SHORT_FORMS,
    UNIT_WORDS,
    YES_OR_NO,
    Direction,
    direction,
)
from .row_labels import rows_apart
from .table_figures import (
    Figure,
    directions_of_figures,
    figures_of,
    is_row_of_figures,
    with_years,
)

__all__ = ["CitedSource", "FactualUnit", "Statement", "as_number", "equivalent_words", "has_figure"]

MISREAD: Final = 0.86
"""Similarity (:mod:`difflib`) from which two long words count as one, misread by OCR or
inflected in a way that the stemmer does not know."""

SHORTEST_MISREAD: Final = 5
"""Letters; a shorter word is too often another word."""

_ALIKE: Final = UNIT_WORDS | SHORT_FORMS | MEASURE_WORDS

_AFFIX: Final = re.compile(r"\bFY(?=[0-9])|(?<=[0-9])(?:st|nd|rd|th)\b")
"""Affixes of a number: "FY2022" says no more than the year."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer, or a question.

    ``words`` are its terms without function words, numbers and words about the answer itself
    ("according to the document").
    """

    text: str
    words: frozenset[str]
    facts: Facts
    languages: frozenset[str] = frozenset()  # that it may be in

    @classmethod
    @lru_cache(maxsize=2**10)
    def of(cls, text: str) -> Statement:
        """Parse a text; one claim is compared with many passages, so that the last ones are kept."""
        facts = claimed_facts(text)
        plain = _AFFIX.sub(" ", plain_text(text))
        words = {t for t in content_terms(plain) if not any(map(str.isdigit, t))}
        if not text.isupper():
            # Otherwise "U.S.", whose term is the function word "us", would be lost.
            words |= {term for name in facts.names for term in terms(name.text)}
        words -= {term for number in facts.numbers for term in terms(number.text)}
        spoken = languages(plain)
        if "en" not in spoken:
            # English function words are no terms of content already.
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
    directions: frozenset[Direction]  # that its figures show
    is_row: bool  # with or without markup
    figures: tuple[Figure, ...]  # its own, for calculation
    own: str  # its text without markup and without what stands above it
    continues: bool = False  # whether it is about what the sentence before it names


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A cited passage."""

    name: str  # of its document
    words: frozenset[str]  # all its terms
    above: frozenset[str]  # terms of its headings and its file's name, which support each sentence
    facts_above: Facts  # the facts of these
    units: tuple[FactualUnit, ...]  # its sentences, list items and table rows

    @classmethod
    def of(cls, passages: Sequence[Passage], index: int) -> CitedSource:
        """Prepare one of some passages for comparison; ``index`` is its index."""
        passage = passages[index]
        above = " ; ".join((*passage.section, re.split(r"[/\\]", passage.source)[-1]))
        found = list(map(_unit, rows_apart(citable_units(passage, index, passages))))
        for at, (before, unit) in enumerate(pairwise(found), 1):
            if not (before.is_row or unit.is_row) and OPENING_PRONOUN.match(unit.facts.plain):
                found[at] = replace(unit, continues=True)
        words = frozenset(terms(plain_text(passage.text)))
        return cls(
            passage.source, words, frozenset(terms(above)), stated_facts(above), tuple(found)
        )


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
    """For each word the equivalent words of a vocabulary.

    They are the word itself, inflected, misread by OCR, or another word for a rise or a fall.
    """
    known = sorted(vocabulary)
    there = frozenset(vocabulary)
    by_stem: dict[str, set[str]] = {}
    by_direction: dict[Direction | None, set[str]] = {}
    for word, stem in zip(known, _stems(known), strict=True):
        by_stem.setdefault(stem, set()).add(word)
        if moved := direction(word):
            by_direction.setdefault(moved, set()).add(word)
    wanted = list(words)
    equivalents: dict[str, frozenset[str]] = {}
    for word, stem in zip(wanted, _stems(wanted), strict=True):
        found = by_stem.get(stem, set()) | ({word} if word in vocabulary else set())
        found |= by_direction.get(direction(word), set())
        found |= _ALIKE.get(word, frozenset()) & there
        if not found and len(word) >= SHORTEST_MISREAD:
            alike = [w for w in known if abs(len(w) - len(word)) <= 2 and not w.isdigit()]
            found = set(difflib.get_close_matches(word, alike, cutoff=MISREAD))
        equivalents[word] = frozenset(found)
    return equivalents


def _stems(found: list[str]) -> list[str]:
    return with_stems(found)[len(found) :]


def has_figure(unit: FactualUnit, number: Number) -> bool:
    """Whether a number is among the own figures of a unit."""
    return any(number.matches(as_number(figure.value)) for figure in unit.figures)


def as_number(value: Decimal) -> Number:
    """A number to compare others with, without its sign."""
    return Number("", frozenset((abs(value),)))
