"""Statements and their sources, taken apart into what can be compared: words and facts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ...retrieval.retriever import Passage
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms, with_stems
from .citable_units import CitableUnit, quotables
from .facts import Facts, claimed_facts, stated_facts
from .table_figures import is_row_of_figures
from .trend_words import Direction, direction, directions_of_figures

__all__ = ["CitedSource", "FactualUnit", "Statement", "same_words"]

MISREAD: Final = 0.86
"""Likeness (:mod:`difflib`) from which two long words are one that OCR misread, or that
is inflected in a way that the stemmer does not know."""

SHORTEST_MISREAD: Final = 5
"""Letters; shorter words are too often other words."""

_FRAME: Final = """
    according answer based described document following here mentioned page provided say said
    section source state stated text yes
"""
_FRAME_WORDS: Final = frozenset(_FRAME.split())
"""Words about the answer, not of it."""

_JOINING: Final = """
    among amongst during however many may might much must need needed possible respectively
    shall therefore thus upon using versus via vs whereas while
"""
_JOINING_WORDS: Final = frozenset(terms(_JOINING))
"""Prepositions, conjunctions and what says that something can or must be: in a search they
count, but they say nothing that a source could lack."""

_AFFIX: Final = re.compile(r"\bFY(?=[0-9])|(?<=[0-9])(?:st|nd|rd|th)\b")
"""What is written to a number: "FY2022" says no more than the year does."""

_ANSWERING: Final = re.compile(
    r"\b(?:yes|no|ja|nein|oui|non|s[ií]|sim|não)\b|[是否对對不]|はい|いいえ", re.IGNORECASE
)
"""A word that answers a question by itself."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer, or a question.

    Attributes:
        words: Its terms, but function words, numbers, and those that speak of the
            answer itself ("according to the document").
        facts: Its numbers, dates and names.
        text: As it stands.
    """

    text: str
    words: frozenset[str]
    facts: Facts

    @classmethod
    def of(cls, text: str) -> Statement:
        """The statement that a text makes."""
        facts = claimed_facts(text)
        plain = _AFFIX.sub(" ", plain_text(text))
        words = {t for t in content_terms(plain) if not any(map(str.isdigit, t))}
        if not text.isupper():
            # "U.S." is no "us".
            words |= {term for name in facts.names for term in terms(name.text)}
        words -= {term for number in facts.numbers for term in terms(number.text)}
        return cls(text, frozenset(words - _FRAME_WORDS - _JOINING_WORDS), facts)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stated: no word, no fact, and neither yes nor no."""
        facts = self.facts.numbers or self.facts.dates or self.facts.names
        return not (self.words or facts or _ANSWERING.search(self.text))


@dataclass(frozen=True, slots=True)
class FactualUnit:
    """What can be quoted, with the facts that it states.

    Attributes:
        quotable: The text, with its place.
        facts: Its numbers and dates, and those above it.
        directions: The ways in which its figures say that something moved.
        is_row: Whether it is a table row, or was one.
    """

    quotable: CitableUnit
    facts: Facts
    directions: frozenset[Direction]
    is_row: bool


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A cited passage.

    Attributes:
        name: Its document.
        words: All its terms.
        above: The terms of its headings and of its document's file name, which
            each of its sentences may rest on.
        facts_above: The facts in these.
        units: Its sentences, list items and table rows.
    """

    name: str
    words: frozenset[str]
    above: frozenset[str]
    facts_above: Facts
    units: tuple[FactualUnit, ...]

    @classmethod
    def of(cls, passage: Passage, index: int) -> CitedSource:
        """A passage prepared for comparison; ``index`` is the passage's."""
        above = " ; ".join((*passage.section, re.split(r"[/\\]", passage.source)[-1]))
        units = tuple(map(_unit, quotables(passage, index)))
        words = frozenset(terms(plain_text(passage.text)))
        return cls(passage.source, words, frozenset(terms(above)), stated_facts(above), units)


def _unit(quotable: CitableUnit) -> FactualUnit:
    plain = plain_text(quotable.text)
    return FactualUnit(
        quotable,
        stated_facts(f"{quotable.text} ; {quotable.above}"),
        directions_of_figures(plain),
        quotable.is_row or is_row_of_figures(plain),
    )


def same_words(words: Iterable[str], vocabulary: Collection[str]) -> dict[str, frozenset[str]]:
    """For each word those of the vocabulary that are the same.

    That is inflected, misread by OCR, or another word for a rise or a fall.
    """
    known = sorted(vocabulary)
    by_stem: dict[str, set[str]] = {}
    by_direction: dict[Direction | None, set[str]] = {}
    for word, stem in zip(known, _stems(known), strict=True):
        by_stem.setdefault(stem, set()).add(word)
        if way := direction(word):
            by_direction.setdefault(way, set()).add(word)
    wanted = list(words)
    same: dict[str, frozenset[str]] = {}
    for word, stem in zip(wanted, _stems(wanted), strict=True):
        found = by_stem.get(stem, set()) | ({word} if word in vocabulary else set())
        found |= by_direction.get(direction(word), set())
        if not found and len(word) >= SHORTEST_MISREAD:
            alike = [w for w in known if abs(len(w) - len(word)) <= 2 and not w.isdigit()]
            found = set(difflib.get_close_matches(word, alike, cutoff=MISREAD))
        same[word] = frozenset(found)
    return same


def _stems(found: list[str]) -> list[str]:
    return with_stems(found)[len(found) :]
