"""Finds the content words of a question that do not occur in what is quoted for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from ...retrieval.lexical import name_terms
from ...retrieval.line_items import related_items
from ...retrieval.query import parse_query
from ...retrieval.retriever import Passage
from ...text.languages import content_words, languages
from ...text.plain_text import plain_text
from ...text.stop_words import LANGUAGES, stop_words
from ...text.terms import CJK, content_terms, terms
from ..verification.citable_units import CitableUnit
from ..verification.indexes.equivalents import Equivalents
from ..verification.lexicon import ANY_UNIT, FRAME_WORDS, JOINING_WORDS

__all__ = ["asked_words", "lacking_words"]

_LETTERS: Final = re.compile(rf"[^\W_{CJK}]{{2,}}")

_HOW: Final = re.compile(
    r"\b(?:how|wie|hoe|hur|hvor|jak|quão|cuán|quanto)\s([^\W\d_]{2,20})", re.IGNORECASE
)
"""Words after "how", which only ask: "how long", "hoe lang", "jak długo"."""

_FIGURES: Final = frozenset(
    terms("""
    amount amounts count date figure number percent percentage price quantity sum total value
    anzahl betrag datum preis prozent summe wert zahl
    chiffre montant nombre pourcentage prix cantidad fecha importe número porcentaje precio
    cifra data importo numero percentuale prezzo preço quantia aantal bedrag prijs
    belopp antal pris beløb dato cena kwota liczba
    """)
)
"""Words for a figure or a date, which a source gives without naming it like this."""

_VERBS: Final = frozenset(
    terms("""
    came come comes cost costs got get gets had has have hold holds reach reached score scored scores
    work works worked spend spent pay paid contain contains
    kostet kosten beträgt betragen fährt fahren liegt erhielt erhält bekam bekommt hatte enthält
    coûte coûtent coûter coûtait vaut valait obtenu cuesta cuestan costó costar vale obtuvo sacó tuvo
    costa costano costare custa custam custar bevat bevatten kost kostar kostade fick koster fik
    kosztuje kosztują wynosi wynosił trwa ma
    """)
)
"""Verbs that join a thing and its figure. Rows of tables have no verbs."""

_STEM: Final = 4
_ENDING: Final = 3
"""Fewest letters of a word that must stay, and most that may change, in languages other than
English."""

_SHORTEST_PART: Final = 6
"""Fewest letters of a word that counts as present within a longer one: "Leuchtturmwärter"."""


def asked_words(question: str) -> dict[str, str]:
    """The content words of a question, as it writes them, each with its term.

    Numbers are left out, and so are pairs of Chinese, Japanese or Korean characters, which are not words.
    """
    spoken = languages(question) & {*LANGUAGES}
    asked = set(content_words(question)).difference(*map(stop_words, spoken))
    found = {word: next(iter(terms(word)), word) for word in _LETTERS.findall(plain_text(question))}
    return {w: term for w, term in found.items() if term in asked and not term.isdigit()}


def lacking_words(
    question: str, units: Sequence[CitableUnit], passages: Sequence[Passage]
) -> tuple[str, ...]:
    """The content words of a question that the quoted sentences and rows lack.

    Words that are above the quotes count as present: the head of a table, headings, the document's
    name. So do inflected and misread words and known synonyms; "year" and "price" if there is a
    figure; and verbs such as "cost" if there are rows. Nothing is lacking if the question asks for a
    measure that is calculated from items with other names.

    Args:
        question: The question.
        units: The quoted units.
        passages: The passages that the units are from.

    Returns:
        The words, as the question writes them.
    """
    asked = parse_query(question).asked
    if related_items(asked):
        return ()
    left_out = FRAME_WORDS | JOINING_WORDS
    if any(map(_has_digit, (unit.text for unit in units))):
        left_out |= ANY_UNIT | _FIGURES
    if any(unit.is_row for unit in units):
        left_out |= _VERBS
    words = {word: term for word, term in asked_words(asked).items() if term not in left_out}
    for behind in _HOW.findall(asked):
        words.pop(behind, None)
    there = _vocabulary(units, passages)
    same = Equivalents(there).of([*words.values()])
    english = "en" in languages(asked)
    return tuple(
        word
        for word, term in words.items()
        if not same[term] and (english or not _is_inflected(term, there))
    )


def _vocabulary(units: Sequence[CitableUnit], passages: Sequence[Passage]) -> frozenset[str]:
    above = (
        term
        for index in {unit.passage for unit in units}
        for term in (
            *content_terms(plain_text(" ".join(passages[index].section))),
            *name_terms(passages[index].source),
        )
    )
    own = (unit.terms | unit.terms_above for unit in units)
    return frozenset(above).union(*own)


def _is_inflected(term: str, there: Collection[str]) -> bool:
    """Whether the terms include the word with another ending, or as a part of a longer word."""
    stem = term[: max(_STEM, len(term) - _ENDING)]
    longest = len(stem) + _ENDING
    return any(
        (len(term) >= _STEM and other.startswith(stem) and len(other) <= longest)
        or (len(term) >= _SHORTEST_PART and term in other)
        or (len(other) >= _SHORTEST_PART and other in term)
        for other in there
    )


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))
