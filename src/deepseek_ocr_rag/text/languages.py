"""Recognises the language of a question by its function words, which even a short one has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Final

from .stop_words import LANGUAGES, stop_words
from .terms import is_pair_of_characters, terms
from .word_lists import FUNCTION_WORDS

__all__ = ["content_words", "function_words", "languages", "languages_of_texts", "question_terms"]

_SURE: Final = 5
"""Fewest function words of a passage that show the language of its document."""

_MOST_TERMS: Final = 400
"""How many terms at the start of a passage decide its language."""

_LONGEST_KEPT: Final = 1000
"""Most characters of a text whose languages are cached, because one sentence is compared with many
others."""

_ASKING: Final = re.compile(
    "多少|什[么麼]|哪一?[个個里裡些]?|[谁誰]|怎[么麼样樣]{1,2}|为什么|為什麼|几|[吗嗎呢]|请问|請問"
    "|いくら|いくつ|どこ|いつ|だれ|なぜ|どの|どれ|どう|何|(?:です|ます)か|ありますか"
    "|얼마|어디|언제|누구|무엇|왜|어떻게"
)
"""Chinese, Japanese and Korean question words: left out first, or their pairs of characters would be
terms."""

_WORD: Final = re.compile(r"[^\W\d_]+")

_MARKED: Final = re.compile("[\u00df-\u024f]")
"""Latin letters beyond a to z, but not the micro sign: "µm" is a unit in any language."""

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
"""The letters of each language beyond a to z, for its own words and common loan words.

Source: the exemplar characters of Unicode CLDR.
"""

_UNSPACED: Final = "zh"
"""Stands for Chinese, Japanese and Korean: all three become pairs of characters."""


def languages(text: str) -> frozenset[str]:
    """Find the languages that have the most function words in a text.

    A language is left out if a word other than a name has letters that it does not use, so Romanian
    text does not count as Italian, with which it shares function words. Text mostly in Chinese,
    Japanese or Korean characters counts as Chinese.

    Returns:
        ISO 639-1 codes; several if they have equally many function words, none without any.
    """
    return _kept_languages(text) if len(text) <= _LONGEST_KEPT else _languages(text)


def _languages(text: str) -> frozenset[str]:
    return frozenset(filter(partial(_may_write, text), _most(_counted(terms(text)))))


@lru_cache(maxsize=2**12)
def _kept_languages(text: str) -> frozenset[str]:
    return _languages(text)


def languages_of_texts(texts: Iterable[str]) -> frozenset[str]:
    """Find the languages of the texts that have enough function words to be sure."""
    found: set[str] = set()
    for text in texts:
        counted = _counted(terms(text[: 8 * _MOST_TERMS])[:_MOST_TERMS])
        if max(counted.values(), default=0) >= _SURE:
            found |= _most(counted)
    return frozenset(found)


def function_words(text: str) -> frozenset[str]:
    """Return the function words of a text's possible languages; of English if it shows none."""
    return _words_of(languages(text) - {_UNSPACED})


@lru_cache(maxsize=64)
def _words_of(found: frozenset[str]) -> frozenset[str]:
    own = (FUNCTION_WORDS if language == "en" else stop_words(language) for language in found)
    return frozenset().union(*own) if found else FUNCTION_WORDS


def content_words(question: str) -> list[str]:
    """Return a question's terms without function words of its language; the list may be empty."""
    left_out = function_words(question)
    return [term for term in terms(_ASKING.sub(" ", question)) if term not in left_out]


def question_terms(question: str) -> list[str]:
    """Return a question's :func:`content_words`, or all its terms if it has no others."""
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
