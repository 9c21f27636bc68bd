"""Places that a question names: "page 14", "the last page", "Table 2", "Fig. 3.1".

Search by words does not find them: the number of a page seldom stands in its text,
and "Figure 3" is "Fig. 3" elsewhere. Understood in English, German, French, Spanish,
Italian, Chinese and Japanese; words for numbers and ordinals in English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Reference", "caption_reference", "page_references", "references_in"]

Kind = Literal["page", "figure", "table"]

_LONGEST_RANGE: Final = 20
"""Pages of a range "3-9" that count one by one; a longer one says nothing exact."""

_NUMBER_WORDS: Final = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
_NUMBERS: Final = {word: str(n) for n, word in enumerate(_NUMBER_WORDS.split(), start=1)}
_LABEL: Final = rf"(?:[0-9]{{1,5}}|[ivxl]{{1,7}}|{'|'.join(_NUMBERS)})\b"
_JOIN: Final = r"\s{0,3}(?:,|&|-|–|\b(?:and|or|to|und|oder|bis|et|ou|y|e)\b){1,2}\s{0,3}"
_PAGES: Final = re.compile(
    r"\b(?:pages?|pp?\.|seiten?|páginas?|pagin[ae])\s{0,3}(?:no\.|number|nr\.)?\s{0,3}"
    rf"({_LABEL}(?:{_JOIN}{_LABEL})*)"
)
_EAST_ASIAN_PAGE: Final = re.compile(r"第?\s?([0-9]{1,5})\s?(?:页|頁|ページ)")
_PAGE_RANGE: Final = re.compile(r"([0-9]{1,5})\s{0,3}(?:-|–|to|bis)\s{0,3}([0-9]{1,5})")
_FIRST: Final = re.compile(
    r"\b(?:first|front|cover|title) page\b|\bon the cover\b|\berste[nr]? seite\b|\btitelseite\b"
    r"|\bpremière page\b|\bprimera página\b|\bprima pagina\b|首页|首頁|第一页|第一頁|最初のページ"
)
_LAST: Final = re.compile(
    r"\b(?:last|final) page\b|\bletzte[nr]? seite\b|\bdernière page\b|\búltima página\b"
    r"|\bultima pagina\b|末页|最后一页|最後一頁|最後のページ"
)
_WORD_START: Final = r"(?<![^\W\d_])"
_FIGURE: Final = rf"{_WORD_START}(?:fig(?:ures?|uras?|\.|s\.)?|abb(?:ildung(?:en)?|\.))|[图圖図]"
_TABLE: Final = rf"{_WORD_START}tab(?:les?|ellen?|leaux?|las?|ella|\.)|表"
_FLOAT: Final = re.compile(
    rf"(?:({_FIGURE})|{_TABLE})\s{{0,3}}([0-9]{{1,3}}(?:[.-][0-9]{{1,3}}){{0,2}})(?![0-9])"
)

_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,60}>")


@dataclass(frozen=True, slots=True)
class Reference:
    """A place by its name.

    Attributes:
        kind: What it is.
        label: Its number as printed, in small letters; of pages also "first"
            and "last".
    """

    kind: Kind
    label: str


def references_in(question: str) -> frozenset[Reference]:
    """The places that a question names.

    Example:
        >>> sorted(r.label for r in references_in("What do pages 3 and four say on Fig. 2?"))
        ['2', '3', '4']
    """
    text = question.casefold()
    return frozenset((*_pages(text), *_floats(text)))


def page_references(number: int, label: str | None, *, last: bool) -> frozenset[Reference]:
    """By what names a page can be meant.

    Args:
        number: 1-based, in the file.
        label: The number printed on it, if known.
        last: Whether it is the last one.
    """
    names = {str(number)}
    if label:
        names.add(label.casefold())
    if number == 1:
        names.add("first")
    if last:
        names.add("last")
    return frozenset(Reference("page", name) for name in names)


def caption_reference(text: str) -> Reference | None:
    """What a text that begins as a caption ("Table 2: Losses") calls its figure or table."""
    start = _TAG.sub("", text[:80]).lstrip(" \t\r\n*_#>").casefold()
    match = _FLOAT.match(start)
    return _float(match) if match else None


def _pages(text: str) -> Iterator[Reference]:
    for listed in _PAGES.finditer(text):
        for label in re.findall(_LABEL, listed[1]):
            yield Reference("page", _NUMBERS.get(label, label))
        for ends in _PAGE_RANGE.finditer(listed[1]):
            first, last = int(ends[1]), int(ends[2])
            if last - first <= _LONGEST_RANGE:
                yield from (Reference("page", str(n)) for n in range(first, last + 1))
    for match in _EAST_ASIAN_PAGE.finditer(text):
        yield Reference("page", match[1])
    if _FIRST.search(text):
        yield Reference("page", "first")
    if _LAST.search(text):
        yield Reference("page", "last")


def _floats(text: str) -> Iterator[Reference]:
    yield from map(_float, _FLOAT.finditer(text))


def _float(match: re.Match[str]) -> Reference:
    return Reference("figure" if match[1] else "table", match[2].replace("-", "."))
