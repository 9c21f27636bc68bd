"""Which language a question is in, by its function words: a few words are enough for these."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Final

from .stop_words import LANGUAGES, stop_words
from .terms import is_pair_of_characters, terms
from .word_lists import FUNCTION_WORDS

__all__ = ["content_words", "function_words", "languages", "languages_of_texts", "question_terms"]

_SURE: Final = 5
"""Function words from which a passage says in which language its document is."""

_MOST_TERMS: Final = 400
"""Terms of a passage that are looked at."""

_ASKING: Final = re.compile(
    "多少|什[么麼]|哪一?[个個里裡些]?|[谁誰]|怎[么麼样樣]{1,2}|为什么|為什麼|几|[吗嗎呢]|请问|請問"
    "|いくら|いくつ|どこ|いつ|だれ|なぜ|どの|どれ|どう|何|(?:です|ます)か|ありますか"
    "|얼마|어디|언제|누구|무엇|왜|어떻게"
)
"""Words that ask, where words are not spaced: pairs of their characters would say nothing."""

_WORD: Final = re.compile(r"[^\W\d_]+")

_MARKED: Final = re.compile("[\u00df-\u024f]")
"""Latin letters beyond a to z; "µm" is a unit in any language."""

_MARKED_LETTERS: Final = {
    "en": "éèêëïöñç",
    "de": "äöüßé",
    "nl": "éèêëïíóöü",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "es": "áéíñóúüç",
    "pt": "áâãàçéêíóôõúü",
    "it": "àèéìíîòóùú",
    "sv": "åäöéèü",
    "no": "æøåéèòôóäö",
    "pl": "ąćęłńóśźż",
}
"""Those with which a language writes its own words and usual loans (Unicode CLDR, exemplar letters)."""

_UNSPACED: Final = "zh"
"""Stands for Chinese, Japanese and Korean, which have no capitals."""


def languages(text: str) -> frozenset[str]:
    """The languages of which a text has most function words, as codes of ISO 639-1.

    More than one if they have equally many, none if no language has any, or if a word that is no
    name has letters that the language does not write: Romanian has function words of Italian. A
    text of which most is in Chinese, Japanese or Korean characters counts as Chinese.
    """
    return frozenset(filter(partial(_may_write, text), _most(_counted(terms(text)))))


def languages_of_texts(texts: Iterable[str]) -> frozenset[str]:
    """The languages of those texts that have function words enough to be sure."""
    found: set[str] = set()
    for text in texts:
        counted = _counted(terms(text[: 8 * _MOST_TERMS])[:_MOST_TERMS])
        if max(counted.values(), default=0) >= _SURE:
            found |= _most(counted)
    return frozenset(found)


def function_words(text: str) -> frozenset[str]:
    """The function words of the languages that a text may be in; English ones if it says nothing."""
    found = languages(text) - {_UNSPACED}
    own = (FUNCTION_WORDS if language == "en" else stop_words(language) for language in found)
    return frozenset().union(*own) if found else FUNCTION_WORDS


def content_words(question: str) -> list[str]:
    """The terms of a question without function words of its language, even if it has no others."""
    left_out = function_words(question)
    return [term for term in terms(_ASKING.sub(" ", question)) if term not in left_out]


def question_terms(question: str) -> list[str]:
    """As :func:`content_words`; all terms of a question that has only function words."""
    return content_words(question) or terms(question)


def _counted(found: list[str]) -> Counter[str]:
    counted = Counter(
        language for term in found for language in LANGUAGES if term in stop_words(language)
    )
    unspaced = sum(map(is_pair_of_characters, found))
    if unspaced * 2 > len(found):
        counted = Counter({_UNSPACED: unspaced})
    return counted


def _may_write(text: str, language: str) -> bool:
    letters = _MARKED_LETTERS.get(language)
    if letters is None:
        return True
    words = _WORD.findall(text)
    own = [word.lower() for word in words[:1]] + [word for word in words if word.islower()]
    return set(letters).issuperset(_MARKED.findall(" ".join(own)))


def _most(counted: Counter[str]) -> frozenset[str]:
    most = max(counted.values(), default=0)
    return frozenset(language for language, count in counted.items() if count == most)
