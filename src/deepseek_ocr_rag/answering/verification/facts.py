"""What a statement must have in common with its source exactly: numbers, dates and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ...text.dates import Date, dates
from ...text.numerals import Number, numbers
from ...text.plain_text import plain_text
from ...text.terms import content_terms

__all__ = ["Facts", "Name", "claimed_facts", "stated_facts"]

_ENUMERATOR: Final = re.compile(r"\s*(?:[-•]\s+)?\(?([0-9]{1,2})[.)]\s+(?=\S)")
_FURTHER: Final = re.compile(r"(?:(?<=[.!?,;:])\s+|\n\s*)\(?([0-9]{1,2})[.)](?=\s+[^\W\d_])")
_WORD: Final = re.compile(r"(?<![^\W_])(?:(?:[A-Z]\.){2,}|[^\W\d_][\w'’&]*)")
_OPENS: Final = re.compile(r"(?:^|[.!?:;…•\n])[\s\"'“”„«»(\[-]*$")
_ONLY_GERMAN: Final = """
    aus auch bei das dem der ein eine einen einer für ist mit nach nicht oder sind und werden
    wird wurde zum zur
"""
_GERMAN: Final = frozenset(_ONLY_GERMAN.split())
"""Words that only German has in small letters. It capitalises every noun, so that a
single capital says nothing there."""
_LINKS: Final = """
    after although because before between during each except if not once since through unless
    until when whether while within
"""
_NO_NAMES: Final = frozenset(_LINKS.split())
"""Words that are capitalised only because a line or a list item began with them."""

_GERMAN_HEADS: Final = _GERMAN | frozenset(("am", "den", "die", "es", "im", "sie", "vom", "wenn"))


@dataclass(frozen=True, slots=True)
class Name:
    """A word of a name.

    Attributes:
        text: The word.
        span: ``(start, end)`` in the text it was found in.
        sure: Whether its capital can have no other reason; not so at the head of a sentence.
    """

    text: str
    span: tuple[int, int]
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a text.

    Attributes:
        plain: The text without markup, in which their spans count.
        numbers: Those in the dates left out, unless it is a source.
        dates: Whole ones and parts: "May 2016", "24 March".
        names: Capitalised words within a sentence, and abbreviations; none for a source,
            which may write them in any way.
    """

    plain: str
    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]
    names: tuple[Name, ...] = ()


def stated_facts(text: str) -> Facts:
    """The facts that a source can be said to state, each in every reading.

    Args:
        text: Plain or Markdown. The number of a list item is no fact.
    """
    plain = _without_enumerator(plain_text(text))
    return Facts(plain, numbers(plain, every_reading=True), dates(plain, overlapping=True))


def claimed_facts(text: str) -> Facts:
    """The facts that a statement needs a source for.

    Args:
        text: A sentence, plain or Markdown. The numbers of list items are no facts, also
            where several items stand in a row: "1. Open it. 2. Fill it."
    """
    plain = plain_text(text)
    first, further = _ENUMERATOR.match(plain), list(_FURTHER.finditer(plain))
    if first and further and int(further[0][1]) != int(first[1]) + 1:
        first = None
    due = int(first[1]) + 1 if first else 1
    plain = _blank(plain, [m.span(1) for m in _in_sequence(further, due)])
    if first:
        plain = plain[first.end() :]
    found = dates(plain)
    rest = _blank(plain, [date.span for date in found])
    return Facts(plain, numbers(rest), found, tuple(_names(rest)))


def _without_enumerator(plain: str) -> str:
    enumerator = _ENUMERATOR.match(plain)
    return plain[enumerator.end() :] if enumerator else plain


def _in_sequence(enumerators: Iterable[re.Match[str]], due: int) -> Iterator[re.Match[str]]:
    """Those of some numbers of list items that count on from one of them."""
    for match in enumerators:
        if int(match[1]) == due:
            due += 1
            yield match


def _blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _names(plain: str) -> list[Name]:
    """Capitalised words that are not capitalised for another reason.

    At the head of a sentence that is one before another capitalised word, or
    before what can be its verb: "Walmart experienced", but not "Open the lid".
    """
    words = list(_WORD.finditer(plain))
    german = any(word[0] in _GERMAN for word in words)
    found: list[Name] = []
    for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
        if not _is_capital(word):
            continue
        opens = _opens(plain, word.start())
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
    """Whether it is capitalised and no function word; one with digits is compared as a number."""
    if word is None or not word[0][0].isupper() or any(map(str.isdigit, word[0])):
        return False
    if not content_terms(word[0]) and not _is_abbreviation(word[0]):
        return False
    return word[0].casefold() not in _GERMAN_HEADS | _NO_NAMES


def _is_abbreviation(word: str) -> bool:
    """``LED``, ``McKay``: capitals behind the first letter."""
    return any(map(str.isupper, word[1:]))


def _adjoin(plain: str, word: re.Match[str] | None, after: re.Match[str] | None) -> bool:
    return word is not None and after is not None and plain[word.end() : after.start()] == " "


def _opens(plain: str, start: int) -> bool:
    return _OPENS.search(plain, max(0, start - 20), start) is not None
