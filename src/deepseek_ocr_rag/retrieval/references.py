"""Finds pages, figures and tables that a question names: "page 14", "the last page", "Fig. 3.1".

Word search does not find them, because a page's number is seldom in its text, and
"Figure 3" is "Fig. 3" elsewhere. Supports English, German, French, Spanish, Italian,
Chinese and Japanese; numbers written as words are understood in English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..text.plain_text import without_tags
from .query_lexicon import (
    CJK_PAGE,
    FIRST_PAGE,
    FLOAT,
    LABEL,
    LAST_PAGE,
    NUMBER_WORDS,
    PAGE_RANGE,
    PAGES,
)

__all__ = ["Reference", "caption_reference", "page_references", "references_in"]

_LONGEST_RANGE: Final = 20
"""Largest difference between the ends of a range such as "3-9"; a longer range is too vague."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A page, figure or table by its name."""

    kind: Literal["page", "figure", "table"]
    label: str  # as printed, casefolded; for pages also "first" and "last"


def references_in(question: str) -> frozenset[Reference]:
    """The pages, figures and tables that a question names."""
    text = question.casefold()
    return frozenset((*_pages(text), *map(_float, FLOAT.finditer(text))))


def page_references(number: int, label: str | None, *, last: bool) -> frozenset[Reference]:
    """The names by which a question can mean a page: its 1-based number, its printed label."""
    names = {str(number)}
    if label:
        names.add(label.casefold())
    if number == 1:
        names.add("first")
    if last:
        names.add("last")
    return frozenset(Reference("page", name) for name in names)


def caption_reference(text: str) -> Reference | None:
    """The figure or table that a caption ("Table 2: Losses") names; None for other text."""
    start = without_tags(text[:80], "").lstrip(" \t\r\n*_#>").casefold()
    match = FLOAT.match(start)
    return _float(match) if match else None


def _pages(text: str) -> Iterator[Reference]:
    for listed in PAGES.finditer(text):
        for label in re.findall(LABEL, listed[1]):
            yield Reference("page", NUMBER_WORDS.get(label, label))
        for ends in PAGE_RANGE.finditer(listed[1]):
            first, last = int(ends[1]), int(ends[2])
            if last - first <= _LONGEST_RANGE:
                yield from (Reference("page", str(n)) for n in range(first, last + 1))
    for match in CJK_PAGE.finditer(text):
        yield Reference("page", match[1])
    if FIRST_PAGE.search(text):
        yield Reference("page", "first")
    if LAST_PAGE.search(text):
        yield Reference("page", "last")


def _float(match: re.Match[str]) -> Reference:
    return Reference("figure" if match[1] else "table", match[2].replace("-", "."))
