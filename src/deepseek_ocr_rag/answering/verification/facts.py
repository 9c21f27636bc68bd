"""Numbers, dates and names: what a statement must share exactly with its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ...text.dates import Date, dates
from ...text.languages import function_words
from ...text.numerals import Number, is_year, numbers
from ...text.plain_text import plain_text
from ...text.terms import CJK, content_terms
from .lexicon import GERMAN_NOT_NAMES, GERMAN_WORDS, NOT_NAMES, UNIT_WORDS

__all__ = ["Facts", "Name", "claimed_facts", "stated_facts", "years_in"]

_ENUMERATOR: Final = re.compile(r"\s*(?:[-•]\s+)?\(?([0-9]{1,2})[.)]\s+(?=\S)")
_FURTHER: Final = re.compile(
    r"(?:(?<=[.!?,;:])\s{1,20}|\n\s{0,20})\(?([0-9]{1,2})[.)](?=\s+[^\W\d_])"
)
_WORD: Final = re.compile(
    rf"(?<![^\W_{CJK}])(?:(?:[A-Z]\.){{2,}}|[^\W\d_{CJK}](?:[^\W{CJK}]|['’&])*)"
)
_MEASURED: Final = re.compile(r"[0-9]\s?(?:[°^]?[A-Za-z°]{0,3}[/·*.])?°?$")
_YEAR: Final = re.compile(r"(?<![0-9.,])(?:19|20)[0-9]{2}(?![0-9])")
_OPENS: Final = re.compile(r"(?:^|[.!?:;…•\n])[\s\"'“”„«»(\[¿¡-]*$")


@dataclass(frozen=True, slots=True)
class Name:
    """A word of a name."""

    text: str
    span: tuple[int, int]  # ``(start, end)`` in the text it was found in
    sure: bool = True  # whether nothing else, such as the start of a sentence, explains its capital


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a text.

    Names are capitalised words within a sentence, and abbreviations. A source has none, because it
    may write a name in any way.
    """

    plain: str  # the text without markup, in which the spans count
    numbers: tuple[Number, ...]  # in a statement, without those that belong to dates
    dates: tuple[Date, ...]  # whole and partial ones: "May 2016", "24 March"
    names: tuple[Name, ...] = ()


def stated_facts(text: str, above: str = "") -> Facts:
    """The facts that a source states, each in every reading, without the numbers of list items.

    ``above`` are the lines over it. In them, the 31 of "December 31, 2019" does not count as a
    number, because the head of a table is above every figure of the table.
    """
    plain = plain_text(text)
    if enumerator := _ENUMERATOR.match(plain):
        plain = plain[enumerator.end() :]
    counted = numbers(plain, every_reading=True)
    if above:
        over = plain_text(above)
        days = [date.span for date in dates(over)]
        counted += tuple(
            number
            for number in numbers(over, every_reading=True)
            if is_year(number.text) or not any(s <= number.span[0] < e for s, e in days)
        )
        plain = f"{plain} ; {over}"
    return Facts(plain, counted, dates(plain, overlapping=True, months=True))


def claimed_facts(text: str) -> Facts:
    """The facts that a statement needs a source for.

    The numbers of list items are not facts, even if several items follow each other:
    "1. Open it. 2. Fill it."
    """
    plain = plain_text(text)
    first, further = _ENUMERATOR.match(plain), list(_FURTHER.finditer(plain))
    if first and further and int(further[0][1]) != int(first[1]) + 1:
        first = None
    following = int(first[1]) + 1 if first else 1
    plain = _blank(plain, [m.span(1) for m in _in_sequence(further, following)])
    if first:
        plain = plain[first.end() :]
    found = dates(plain, months=True)
    rest = _blank(plain, [date.span for date in found])
    return Facts(plain, numbers(rest), found, tuple(_names(rest)))


def years_in(text: str) -> frozenset[int]:
    """The years that a text names."""
    return frozenset(map(int, _YEAR.findall(text)))


def _in_sequence(enumerators: Iterable[re.Match[str]], number: int) -> Iterator[re.Match[str]]:
    """The numbers of the list items that count up from a number."""
    for match in enumerators:
        if int(match[1]) == number:
            number += 1
            yield match


def _blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _names(plain: str) -> list[Name]:
    """Capitalised words that nothing else explains, and abbreviations.

    At the start of a sentence a word is a name before another capitalised word, or
    before what may be its verb: "Walmart experienced", but not "Open the lid".
    """
    words = list(_WORD.finditer(plain))
    german = any(word[0] in GERMAN_WORDS for word in words)
    small = function_words(plain)
    found: list[Name] = []
    for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
        if not _is_capital(word) or _is_unit(plain, word):
            continue
        opens = bool(_OPENS.search(plain, max(0, word.start() - 20), word.start()))
        # "US" is not "us", unless the whole text is in capitals.
        is_code = _is_abbreviation(word[0]) and not plain.isupper()
        if opens and word[0].casefold() in small and not is_code:
            continue
        run = (_adjoin(plain, word, after) and _is_capital(after)) or (
            _adjoin(plain, before, word) and _is_capital(before)
        )
        if opens and not run:
            named = (
                _adjoin(plain, word, after) and after is not None and bool(content_terms(after[0]))
            )
        else:
            named = run or not german
        if named or _is_abbreviation(word[0]):
            found.append(Name(word[0], word.span(), not opens))
    return found


def _is_capital(word: re.Match[str] | None) -> bool:
    """Whether it is a capitalised content word without digits; those with digits count as numbers."""
    if word is None or not word[0][0].isupper() or any(map(str.isdigit, word[0])):
        return False
    if not content_terms(word[0]) and not _is_abbreviation(word[0]):
        return False
    return word[0].casefold() not in GERMAN_NOT_NAMES | NOT_NAMES


def _is_unit(plain: str, word: re.Match[str]) -> bool:
    """Whether it is the symbol of a unit after a number: "5.0 V", "43.8 °C/W"."""
    behind = _MEASURED.search(plain, max(0, word.start() - 12), word.start()) is not None
    return behind and word[0].casefold() in UNIT_WORDS


def _is_abbreviation(word: str) -> bool:
    """Whether a capital follows the first letter: ``LED``, ``McKay``."""
    return any(map(str.isupper, word[1:]))


def _adjoin(plain: str, word: re.Match[str] | None, after: re.Match[str] | None) -> bool:
    return word is not None and after is not None and plain[word.end() : after.start()] == " "
