"""Finds designations: a word with the letter or number that tells things of a kind apart.

"Probe A" is not "Probe B"; nor are "Type I" and "Type II", "Model 3" and "Model 5", or "Q1" and "Q2"
the same. A comparison word by word cannot tell, because it ignores single letters and digits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ....text.plain_text import plain_text
from ....text.terms import content_terms
from ....text.word_lists import MONTHS

__all__ = [
    "Designation",
    "designated",
    "designations",
    "head_marks",
    "named_spans",
    "numbered_words",
]

# Lower-case letters that are words in some language are left out.
_MARK: Final = (
    r"(?<!\w)(?:[A-Z]{0,2}[0-9]{1,3}[a-z]?|[IVX]{1,5}|[A-Z]|[b-df-hj-np-tv-xz])"
    r"(?![\w%°])(?![.,:'’][\w])(?!\s?[%°])(?!-\w)(?!\.\s[A-Z])"
)
_BETWEEN: Final = (
    r"(?:\s?(?:,|/|&|\||–)\s?|-|\s(?:and|or|to|und|oder|bis|et|ou|à|y|o|e|en|och|og|i)\s)"
)
_WORD_AND_MARKS: Final = re.compile(
    rf"(?<![^\W_])(?P<word>[^\W\d_]{{2,30}})(?:\.?\s(?=[0-9])|[\s-])(?P<marks>{_MARK}(?:{_BETWEEN}{_MARK}){{0,9}})"
)
_CODE: Final = re.compile(
    r"(?<![\w.,-])(?P<word>[A-Z]{1,2})(?P<marks>[0-9]{1,2})(?![\w%°]|[.,][0-9])"
)
_ONE_MARK: Final = re.compile(_MARK)
_SHORTEST_WORD: Final = 3
"""Fewest letters of a word whose number may be a figure: the numbers of "Q3" and "B12" are not."""

FEWEST_NUMBERS: Final = 2
"""How many different numbers must follow a word before they count as marks, unlike "Sales 12"."""


@dataclass(frozen=True, slots=True)
class Designation:
    """A word with one or more marks: "Probes A and B"."""

    word: str  # its term
    marks: frozenset[str]
    span: tuple[int, int]  # ``(start, end)`` in the text without markup

    @property
    def terms(self) -> frozenset[str]:
        """One term for each mark: "probe a"."""
        return frozenset(designated(self.word, mark) for mark in self.marks)


def designated(word: str, mark: str) -> str:
    """The term of a word with a mark. Its space keeps it apart from the terms of texts."""
    return f"{word} {mark}"


def designations(text: str, numbered: Collection[str]) -> tuple[Designation, ...]:
    """The designations in a text, in order.

    Args:
        text: In the markup of its page.
        numbered: The words whose numbers are marks, as :func:`numbered_words` gives them.

    Example:
        >>> [(d.word, sorted(d.marks)) for d in designations("Probes A and B of type II", ())]
        [('probe', ['a', 'b']), ('type', ['ii'])]
    """
    found = []
    for each in _designations(text):
        is_code = len(each.word) < _SHORTEST_WORD
        marks = {m for m in each.marks if is_code or not m.isdigit() or each.word in numbered}
        if marks:
            found.append(Designation(each.word, frozenset(marks), each.span))
    return tuple(found)


def named_spans(row: str) -> tuple[tuple[int, int], ...]:
    """The spans of names such as "Ward 11" within the cells of a row; their numbers are not figures.

    Args:
        row: Without markup, so that there is more than one space between its cells.
    """
    plain = plain_text(row)
    return tuple(
        each.span
        for each in _designations(row)
        if len(each.word) > _SHORTEST_WORD and plain[each.span[0] :][:_SHORTEST_WORD].istitle()
    )


def head_marks(name: str) -> frozenset[str]:
    """The terms of the designations in a column's name, such as "type 1", or " a" for a mark alone."""
    alone = _ONE_MARK.fullmatch(plain_text(name).strip())
    found = _designations(name)
    return frozenset((designated("", alone[0].casefold()),) if alone else ()).union(
        *(each.terms for each in found)
    )


def numbered_words(texts: Iterable[str], names: Iterable[str] = ()) -> frozenset[str]:
    """The capitalised words that different numbers follow, as in "Model 3".

    Args:
        texts: In the markup of their page. The only number of a text may be a figure.
        names: Names of columns, whose numbers are never figures.
    """
    numbers: dict[str, set[frozenset[str]]] = {}
    for name in names:
        for each in _designations(name):
            numbers.setdefault(each.word, set()).add(each.marks)
    for text in texts:
        plain = plain_text(text)
        for each in _designations(text):
            start, end = each.span
            # "Boats 12" has a figure, "Model 3 | 12" a mark and a figure.
            beside = any(map(str.isdigit, plain[:start] + plain[end:]))
            if beside and plain[start].isupper() and any(map(str.isdigit, each.marks)):
                numbers.setdefault(each.word, set()).add(each.marks)
    return frozenset(word for word, found in numbers.items() if len(found) >= FEWEST_NUMBERS)


@lru_cache(maxsize=2**12)
def _designations(text: str) -> tuple[Designation, ...]:
    """As :func:`designations`, with all numbers."""
    plain = plain_text(text)
    found = []
    for pattern in (_WORD_AND_MARKS, _CODE):
        for match in pattern.finditer(plain):
            named = match["word"].casefold()
            word = named if pattern is _CODE else next(iter(content_terms(named)), "")
            marks = _ONE_MARK.findall(plain, *match.span("marks")) or [match["marks"]]
            if word and named not in MONTHS:
                found.append(Designation(word, frozenset(map(str.casefold, marks)), match.span()))
    return tuple(sorted(found, key=lambda each: each.span))
