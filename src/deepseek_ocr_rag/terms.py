"""Search terms of a text: what BM25 counts, and what a quote is compared by.

One rule for questions and pages, for every script:

* NFKC, case folded, HTML tags and entities read away;
* words are runs of letters and digits; ``FY2023`` also counts as ``fy`` and
  ``2023``, ``12,516`` as ``12516``;
* ``DeepSeek-OCR``, ``DeepSeek- OCR`` and a word that was hyphenated at a line
  end also count as one word;
* Chinese, Japanese and Korean runs become overlapping pairs of characters, the
  usual index unit where words are not spaced (Nie, Gao, Zhang and Zhou, 2000,
  "On the use of words and n-grams for Chinese information retrieval");
* the English plural is removed by the rules of Harman's S-stemmer (1991, "How
  effective is suffixing?"), which damages no other language much.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

__all__ = ["question_terms", "terms"]

_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_CJK: Final = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD: Final = re.compile(rf"[0-9]+(?:[.,][0-9]+)+|[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK: Final = re.compile(rf"[{_CJK}]")
_PARTS: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_THOUSANDS: Final = re.compile(r",(?=[0-9]{3}(?![0-9]))")
_HYPHEN: Final = re.compile(r"[-\u00ad\u2010\u2011]\s{0,2}")

_FUNCTION_WORDS: Final = """
    a about also an and any are as at be been being but by can could did do does doing for from
    had has have having he her hers him his how i if in into is it its me my no nor not of on or
    our she should so some such than that the their them then there these they this those to us
    was we were what when where which who whom whose why will with would you your
"""
_STOP_WORDS: Final = frozenset(_FUNCTION_WORDS.split())
"""English function and question words. They stay in the index and are only left
out of questions; other languages' ones weigh little, because BM25 weighs a term
by how few texts have it."""


def terms(text: str) -> list[str]:
    """The search terms of a text, in order, repeated as often as they occur."""
    folded = unicodedata.normalize("NFKC", html.unescape(_TAG.sub(" ", text))).casefold()
    found: list[str] = []
    previous: re.Match[str] | None = None
    for match in _WORD.finditer(folded):
        word = match[0]
        if _IS_CJK.match(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            previous = None
            continue
        found += _word_terms(word)
        if previous is not None and _HYPHEN.fullmatch(folded, previous.end(), match.start()):
            found.append(_singular(previous[0] + word))
        previous = match
    return found


def question_terms(question: str) -> list[str]:
    """The terms of a question without function words, unless it has no others."""
    found = terms(question)
    return [term for term in found if term not in _STOP_WORDS] or found


def _word_terms(word: str) -> list[str]:
    if not word.isalnum():
        return [_THOUSANDS.sub("", word)]
    parts = _PARTS.findall(word)
    if len(parts) == 1:
        return [_singular(word)]
    return [_singular(word), *(part for part in parts if len(part) > 1)]


def _singular(word: str) -> str:
    if len(word) < 4 or word[-1] != "s":
        return word
    if word.endswith("ies"):
        return word if word[-4] in "ae" else f"{word[:-3]}y"
    if word.endswith("es"):
        return word if word[-3] in "aeo" else word[:-1]
    # Harman's rules keep "us" and "ss"; "is" ends singulars such as analysis.
    return word if word[-2] in "ius" else word[:-1]
