"""Turns text into terms, for BM25 and for the comparison of quotes.

The same rules hold for questions and pages, and for every script:

* text is NFKC and case folded, without HTML tags, with entities decoded;
* words are runs of letters and digits; ``FY2023`` also counts as ``fy`` and
  ``2023``, ``12,516`` as ``12516``;
* ``DeepSeek-OCR``, ``DeepSeek- OCR`` and a word that was hyphenated at a line
  end also count as one word;
* Chinese, Japanese and Korean runs become overlapping pairs of characters, the
  usual index unit where words are not spaced (Nie, Gao, Zhang and Zhou, 2000,
  "On the use of words and n-grams for Chinese information retrieval");
* the English plural is removed by the rules of Harman's S-stemmer (1991, "How
  effective is suffixing?"), which does little damage to other languages;
* a dotted abbreviation is one word (``U.S.`` is ``us``), and an English
  possessive ``'s`` is dropped.

Search adds single Chinese characters to the pairs (:func:`search_terms`), which the
same study found best, and to each word its stem by the English rules of Snowball
(:func:`with_stems`): "measuring" finds "measured", but an exact match ranks higher.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final

from .plain_text import without_tags
from .word_lists import FUNCTION_WORDS

__all__ = [
    "CJK",
    "content_terms",
    "is_pair_of_characters",
    "search_phrases",
    "search_terms",
    "terms",
    "with_stems",
]

CJK: Final = "\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U000323af"
"""Chinese, Japanese and Korean characters, for a class of a regular expression."""
_WORD: Final = re.compile(rf"[0-9]+(?:[.,][0-9]+)+|[{CJK}]+|[^\W_{CJK}]+")
_IS_CJK: Final = re.compile(rf"[{CJK}]")
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_PARTS: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_THOUSANDS: Final = re.compile(r",(?=[0-9]{3}(?![0-9]))")
_DOTTED: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.){2,}")
_POSSESSIVE: Final = re.compile(r"(?<=[^\W_])['’]s(?![^\W_])")
_CAPITALS: Final = re.compile(r"(?<![^\W_])[A-Z]{2,}(?![^\W_])")
_LONGEST_KEPT: Final = 400
"""Most characters of a text whose terms are cached."""

_HYPHEN: Final = re.compile(r"[-\u00ad\u2010\u2011]\s{0,2}")


def terms(text: str) -> list[str]:
    """Return the terms of a text, in order, repeated as often as they occur."""
    # One sentence is compared with many others.
    return list(_kept_terms(text)) if len(text) <= _LONGEST_KEPT else _terms(text, characters=False)


def content_terms(text: str) -> list[str]:
    """Return a text's terms without English function words; the list may be empty."""
    return [term for term in terms(text) if term not in FUNCTION_WORDS]


def search_terms(text: str, *, function_words: bool = True) -> list[str]:
    """Return the terms by which search finds a text: :func:`terms` and single Chinese characters.

    ``function_words=False`` leaves out English function and question words, unless the text has no
    other terms. A word in capitals ("US", "WHO") stays, as an abbreviation, unless the whole text
    is in capitals.
    """
    found = _terms(text, characters=True)
    if function_words:
        return found
    named = () if text.isupper() else map(str.casefold, _CAPITALS.findall(text))
    left_out = FUNCTION_WORDS.difference(named)
    return [term for term in found if term not in left_out] or found


def with_stems(found: list[str]) -> list[str]:
    """Return the terms, followed by their stems, which a tilde marks (``~measur``)."""
    return found + [_stem(term) for term in found]


def search_phrases(found: list[str]) -> list[str]:
    """Pair neighbouring :func:`search_terms` and their stems, skipping function words."""
    words = [t for t in found if t not in FUNCTION_WORDS and not _HAN.fullmatch(t)]
    stems = map(_stem, words)
    return [f"{first} {second}" for first, second in chain(pairwise(words), pairwise(stems))]


def is_pair_of_characters(term: str) -> bool:
    """Whether a term was cut from a Chinese, Japanese or Korean run, and so may not be a word."""
    return bool(_IS_CJK.match(term))


@lru_cache(maxsize=2**12)
def _kept_terms(text: str) -> tuple[str, ...]:
    return tuple(_terms(text, characters=False))


def _terms(text: str, *, characters: bool) -> list[str]:
    plain = unicodedata.normalize("NFKC", html.unescape(without_tags(text)))
    plain = _DOTTED.sub(lambda match: match[0].replace(".", ""), _POSSESSIVE.sub(" ", plain))
    folded = plain.casefold()
    found: list[str] = []
    previous: re.Match[str] | None = None
    for match in _WORD.finditer(folded):
        word = match[0]
        if _IS_CJK.match(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            if characters and len(word) > 1:
                found += _HAN.findall(word)
            previous = None
            continue
        found += _word_terms(word)
        if previous is not None and _HYPHEN.fullmatch(folded, previous.end(), match.start()):
            found.append(_singular(previous[0] + word))
        previous = match
    return found


@lru_cache(maxsize=2**16)
def _stem(term: str) -> str:
    import snowballstemmer

    # Threads cannot share a stemmer, because it stores the word that it works on.
    return f"~{snowballstemmer.stemmer('english').stemWord(term)}"


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
