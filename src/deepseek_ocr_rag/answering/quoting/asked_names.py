"""Finds the names in a question, and whether something else may explain their capitals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ...retrieval.query import parse_query
from ...text.languages import function_words, languages
from ...text.sentences import sentence_spans
from ...text.terms import terms
from ..verification.facts import Facts, Name, claimed_facts
from .name_words import CALENDAR, DETERMINERS, GERMAN_ARTICLES, PREPOSITIONS, ROLES

__all__ = ["AskedName", "asked_names", "is_abbreviation"]

_DATE_FORM: Final = re.compile(r"[YMDHS]+")
"""Placeholders such as "YYYY", which describe the form of the answer."""

_POSSESSIVE: Final = re.compile("['’]s$")
_ELISION: Final = re.compile(r"(?<![^\W_])([^\W\d_]{1,5}['’])(?=[^\W\d_])")
_BEFORE: Final = re.compile(r"(?<![^\W\d_])([^\W\d_]{1,20})['’]?\s{1,5}$")
_WORD: Final = re.compile(r"[^\W\d_]+")
_CAPITALISED: Final = re.compile(r"[^\W\d_][\w'’&]*")
_QUOTE: Final = re.compile('["“”„«»‘《「]$')

_NOT_NAMES: Final = ROLES | CALENDAR

_SHORTEST_EMPHASIS: Final = 5
"""A word in capitals with at least this many letters may just be emphasised: "the TOTAL amount"."""


@dataclass(frozen=True, slots=True)
class AskedName:
    """A name: a capitalised word that is not a role, or several in a row.

    Attributes:
        text: As the question writes it, without a possessive ending.
        words: The words whose capital is not explained by the beginning of a sentence.
        size: How many words it has, including those that begin a sentence.
        certain: Whether only a name explains the capital. It does not follow an article, is not
            in quotation marks or all in capitals; the question is in a language that
            capitalises only names, and is not written with capitals throughout, like a title.
    """

    text: str
    words: tuple[str, ...]
    size: int
    certain: bool


def asked_names(question: str) -> tuple[AskedName, ...]:
    """The names in a question; none if it is all in capitals. In German, words that may be names."""
    asked = parse_query(question).asked
    if asked.isupper():
        return ()
    # "d'Orsay" contains a name; "O'Neill" is one.
    asked = _ELISION.sub(lambda match: f"{match[1]} " if match[1].islower() else match[0], asked)
    facts = claimed_facts(asked)
    spoken = languages(asked)
    certain = bool(spoken) and spoken.isdisjoint(("de", "zh")) and not _is_title(asked)
    left_out = function_words(asked)
    capitalised = _without_article(facts.plain) if "de" in spoken else facts.names
    names = [name for name in capitalised if _may_be_name(name, left_out)]
    found: list[AskedName] = []
    for run in _runs(facts, names):
        own = [n for n in run if _NOT_NAMES.isdisjoint((n.text.casefold(), *terms(n.text)))]
        words = tuple(name.text for name in own if name.sure)
        if not words:
            continue
        text = _POSSESSIVE.sub("", facts.plain[run[0].span[0] : run[-1].span[1]])
        sure = certain and not _is_explained(facts.plain, run, spoken)
        found.append(AskedName(text, words, len(own), sure))
    return tuple(found)


def is_abbreviation(word: str) -> bool:
    """Whether it has a capital after the first letter."""
    return any(map(str.isupper, word[1:]))


def _may_be_name(name: Name, left_out: frozenset[str]) -> bool:
    if _DATE_FORM.fullmatch(name.text):
        return False
    return is_abbreviation(name.text) or not left_out.issuperset(terms(name.text))


def _without_article(plain: str) -> Iterator[Name]:
    """Capitalised German words that may be names, because they follow no article as most nouns do."""
    before = ""
    for start, end in sentence_spans(plain):
        for word in _CAPITALISED.finditer(plain, start, end):
            if word[0][0].isupper() and before not in GERMAN_ARTICLES:
                yield Name(word[0], word.span(), sure=word.start() > start)
            before = word[0].casefold()


def _runs(facts: Facts, names: list[Name]) -> Iterator[list[Name]]:
    """Groups of names with nothing between them."""
    run: list[Name] = []
    for name in names:
        if (
            run
            and facts.plain[run[-1].span[1] : name.span[0]] in (" ", " & ")
            and not _POSSESSIVE.search(run[-1].text)
        ):
            run.append(name)
            continue
        if run:
            yield run
        run = [name]
    if run:
        yield run


def _is_explained(plain: str, run: list[Name], spoken: frozenset[str]) -> bool:
    """Whether an article, quotation marks or emphasis explain the capitals of a run."""
    before = plain[: run[0].span[0]]
    if _QUOTE.search(before):
        return True
    if len(run) == 1 and run[0].text.isupper() and len(run[0].text) >= _SHORTEST_EMPHASIS:
        return True
    word = _BEFORE.search(before[-20:])
    if word is None:
        return False
    article = word[1].casefold()
    preposition = all(article in PREPOSITIONS.get(language, ()) for language in spoken)
    return article in DETERMINERS and not preposition


def _is_title(asked: str) -> bool:
    """Whether a sentence is written like a title: "What Is the Price?", "Price of the Boat"."""
    return any(
        _is_title_sentence([w[0] for w in _WORD.finditer(asked, start, end)])
        for start, end in sentence_spans(asked)
    )


def _is_title_sentence(words: list[str]) -> bool:
    left_out = function_words(" ".join(words))
    is_function = [left_out.issuperset(terms(word)) for word in words]
    if any(
        word[0].isupper() and len(word) > 1 and not word.isupper()
        for word, small in zip(words[1:], is_function[1:], strict=True)
        if small
    ):
        return True
    content = [word for word, small in zip(words, is_function, strict=True) if not small]
    return len(content) > 1 and not is_function[0] and all(word[0].isupper() for word in content)
