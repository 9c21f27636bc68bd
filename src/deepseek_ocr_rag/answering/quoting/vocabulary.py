"""The words of all documents, and which names of a question none of them has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from ...retrieval.line_items import ITEMS, MEASURES
from ...retrieval.query import parse_query
from ...text.plain_text import plain_text
from ...text.terms import question_terms, terms
from ..verification.facts import Name, claimed_facts
from ..verification.lexicon import GERMAN_WORDS
from ..verification.statements import equivalent_words

__all__ = ["Vocabulary", "names_of", "years_of"]

_ROLES: Final = frozenset(
    word
    for line in (
        "ceo cfo coo cto cio vp hr pr vat gdp roi usd eur gbp chf us usa uk uae eu un fy ytd yoy",
        "qoq am pm id url pdf csv faq tv pc it celsius fahrenheit kelvin euro euros dollar dollars",
        "pound pounds rupee rupees yen yuan franc francs",
    )
    for word in line.split()
)
"""What documents often say in other words: roles, currencies, countries, units, terms of reports."""

_DATE_FORM: Final = re.compile(r"[YMDHS]+")
"""Such as "YYYY" in the form that an answer shall have."""

_GERMAN: Final = re.compile(
    r"\b(?:wer|wen|wem|wessen|wie|wieviel|wo|wann|warum|wieso|welche[nmrs]?|hat|haben|gibt|den|im|vom"
    rf"|{'|'.join(sorted(GERMAN_WORDS))})\b",
    re.IGNORECASE,
)
"""A question in German, where a single capital shows a noun and not a name."""

_POSSESSIVE: Final = re.compile("['’]s$")

_SHORTEST_PART: Final = 6
"""Letters from which a name counts as present as a part of a longer word, such as a web address."""

_BETWEEN: Final = r"\W{1,3}(?:\w{1,3}\W{1,3})?"
"""Between the words that an abbreviation stands for: at most one short one, such as "of"."""

_MEASURE_TERMS: Final = frozenset(
    term
    for text in (
        *(f"{measure.name} {measure.definition}" for measure in MEASURES),
        *(label for item, labels in ITEMS.items() for label in (item, *labels)),
    )
    for term in terms(text)
)
"""Words of "Return on Assets", which a question may capitalise."""

_YEAR: Final = re.compile(r"(?<![0-9.,])(?:FY\s?)?((?:19|20)[0-9]{2})(?![0-9])")
_SHORTEST_NAME: Final = 3


def names_of(question: str) -> tuple[str, ...]:
    """The names in a question, without roles, currencies and names of measures."""
    asked = parse_query(question).asked
    if asked.isupper() or _GERMAN.search(asked):
        return ()
    return tuple(
        name.text
        for name in claimed_facts(asked).names
        if name.sure
        and len(name.text) >= _SHORTEST_NAME
        and name.text.casefold() not in _ROLES
        and not _MEASURE_TERMS.issuperset(terms(name.text))
    )


def years_of(question: str) -> tuple[str, ...]:
    """The years that a question names."""
    return tuple(dict.fromkeys(_YEAR.findall(parse_query(question).asked)))


class Vocabulary:
    """All words of some texts; nothing is counted before the first question.

    Args:
        texts: With their headings and the names of their documents.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)

    @cached_property
    def _terms(self) -> frozenset[str]:
        return frozenset(term for text in self._texts for term in terms(plain_text(text)))

    @cached_property
    def _letters(self) -> str:
        """All texts without anything but letters and digits, in lower case."""
        return "\n".join(re.sub(r"[\W_]+", "", text.casefold()) for text in self._texts)

    def missing_names(self, question: str) -> tuple[str, ...]:
        """The names in a question that stand in none of the texts, in any form that is known.

        A name is a capitalised word that nothing else explains, or an abbreviation; several in a
        row are one, of which at least half must be missing. Inflected and misread forms count as
        present, and so do the words that an abbreviation stands for.
        """
        asked = parse_query(question).asked
        if asked.isupper():
            return ()
        facts = claimed_facts(asked)
        runs: list[list[Name]] = []
        for name in facts.names:
            last = runs[-1][-1] if runs else None
            if (
                last is not None
                and facts.plain[last.span[1] : name.span[0]] in (" ", " & ")
                and not _POSSESSIVE.search(last.text)
            ):
                runs[-1].append(name)
            else:
                runs.append([name])
        missing: list[str] = []
        for run in runs if not _GERMAN.search(asked) else [run for run in runs if len(run) > 1]:
            lacking = [name for name in run if name.sure and self._lacks(name.text)]
            if lacking and len(lacking) * 2 >= len(run):
                missing.append(facts.plain[run[0].span[0] : run[-1].span[1]])
        return tuple(dict.fromkeys(_POSSESSIVE.sub("", name) for name in missing))

    def missing_words(self, question: str) -> tuple[str, ...]:
        """The content words of a question that stand in none of the texts in any form."""
        asked = [term for term in question_terms(question) if not term.isdigit()]
        missing = [term for term in asked if term not in self._terms]
        known = equivalent_words(missing, self._terms) if missing else {}
        return tuple(dict.fromkeys(term for term in missing if not known[term]))

    def _lacks(self, name: str) -> bool:
        wanted = terms(name)
        missing = [term for term in wanted if term not in self._terms]
        if not missing or name.casefold() in _ROLES or _DATE_FORM.fullmatch(name):
            return False
        if sum(map(str.isupper, name)) > 1:
            return not self._stands_for(name)
        known = equivalent_words(missing, self._terms)
        return any(not known[term] and not self._is_part(term) for term in missing)

    def _is_part(self, term: str) -> bool:
        return len(term) >= _SHORTEST_PART and term in self._letters

    def _stands_for(self, abbreviation: str) -> bool:
        """Whether words in a row begin with the capitals of an abbreviation."""
        letters = re.sub(r"[\W_]+", "", abbreviation.casefold())
        if len(letters) >= _SHORTEST_PART and letters in self._letters:
            return True
        capitals = [letter for letter in abbreviation if letter.isupper()]
        written = re.compile(
            r"\b" + _BETWEEN.join(rf"{re.escape(letter.casefold())}\w*" for letter in capitals)
        )
        return any(written.search(text.casefold()) for text in self._texts)
