"""Page furniture: running heads, running feet and page numbers, also where no label says so.

Models label it rarely and OCR never does. What gives it away is that it stands at
the edge of many pages and says the same, but for a number that counts with them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from .headings import HEADING_KINDS
from .types import Page

__all__ = ["FURNITURE_KINDS", "Furniture", "page_furniture"]

FURNITURE_KINDS: Final = frozenset(
    {"header", "footer", "page_header", "page_footer", "page_number", "number"}
)
"""Kinds of blocks that are furniture by their label."""

EDGE: Final = 0.15
"""Share of the page's height, at the top and at the bottom, in which furniture stands."""

LONGEST: Final = 200
"""Characters of a block that can be furniture."""

MIN_PAGES: Final = 3
"""Pages that have to show the same line."""

MIN_SHARE: Final = 0.25
"""Share of all pages that have to: left and right pages may differ, and OCR misreads some."""

MIN_SHARE_OF_CHAPTER: Final = 0.5
"""The same, of the pages from the first to the last that show it."""

MIN_PAGES_OF_HEADING: Final = 5
"""Pages that have to show what is labelled as a heading."""

MIN_SHARE_OF_HEADING: Final = 0.5
"""Share of all pages that have to."""

SAME_HEIGHT: Final = 0.015
"""Difference, in fractions of the page's height, between page numbers in the same place."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")

Edge = Literal["top", "bottom"]


@dataclass(frozen=True, slots=True)
class Furniture:
    """What of one page is furniture.

    Attributes:
        blocks: Indices of its blocks.
        first: Those of them that were found by repetition, have words, and stand
            here for the first time: without them the words would be lost.
    """

    blocks: frozenset[int] = frozenset()
    first: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Line:
    """A block at the edge of a page.

    Attributes:
        place: Index of its page and of the block.
        page: The page's number.
        depth: How far from the edge, in fractions of the page's height.
        key: The edge, and the text with every number replaced by 0.
        numbers: Those.
        heading: Whether it is labelled as a heading.
    """

    place: tuple[int, int]
    page: int
    depth: float
    key: tuple[Edge, str]
    numbers: tuple[int, ...]
    heading: bool


def page_furniture(pages: Sequence[Page]) -> tuple[Furniture, ...]:
    """Finds the furniture of a document.

    A block is furniture if its kind says so; or if it is a line at the edge of
    the page, with nothing but furniture between it and the edge, that at least
    three pages have: a quarter of all, or half of those of a chapter. Numbers in
    it stay the same or count with the pages. Bare numbers only have to stand at
    the same height. A heading has to count too, or to stand on half of all pages:
    others that recur mean something.

    Args:
        pages: All of them, in order.

    Returns:
        For each page its furniture.
    """
    edges = [(_edge(i, page, "top"), _edge(i, page, "bottom")) for i, page in enumerate(pages)]
    recurring = _recurring([line for page in edges for edge in page for line in edge], len(pages))
    seen: set[tuple[Edge, str]] = set()
    result = []
    for page, lines in zip(pages, edges, strict=True):
        labelled = {i for i, block in enumerate(page.blocks) if block.kind in FURNITURE_KINDS}
        found = [line for edge in lines for line in _outer(edge, recurring, labelled)]
        first = [line for line in found if line.key not in seen and recurring[line.place]]
        seen.update(line.key for line in found)
        result.append(
            Furniture(
                frozenset(labelled.union(line.place[1] for line in found)),
                frozenset(line.place[1] for line in first),
            )
        )
    return tuple(result)


def _edge(index: int, page: Page, edge: Edge) -> list[_Line]:
    """The lines of one edge, the outermost first."""
    found = []
    for i, block in enumerate(page.blocks):
        text = " ".join(block.text.casefold().split())
        if not text or len(text) > LONGEST or block.kind == "table" or not block.boxes:
            continue
        top, bottom = min(b.y0 for b in block.boxes), max(b.y1 for b in block.boxes)
        if bottom <= EDGE if edge == "top" else top >= 1 - EDGE:
            found.append(
                _Line(
                    place=(index, i),
                    page=page.number,
                    depth=top if edge == "top" else 1 - bottom,
                    key=(edge, _NUMBER.sub("0", text)),
                    numbers=tuple(map(int, _NUMBER.findall(text))),
                    heading=block.kind in HEADING_KINDS,
                )
            )
    return sorted(found, key=lambda line: line.depth)


def _outer(
    lines: Iterable[_Line], recurring: Mapping[tuple[int, int], bool], labelled: set[int]
) -> Iterator[_Line]:
    """From the edge of the page inwards, up to the first line that is no furniture."""
    for line in lines:
        if line.place in recurring:
            yield line
        elif line.place[1] not in labelled:
            return


def _recurring(lines: Iterable[_Line], pages: int) -> dict[tuple[int, int], bool]:
    """Places of the lines that enough pages have, and whether they have words to keep."""
    groups: dict[tuple[Edge, str], list[_Line]] = defaultdict(list)
    for line in lines:
        groups[line.key].append(line)
    found: dict[tuple[int, int], bool] = {}
    for (_, text), group in groups.items():
        words = _WORD.findall(text)
        if words or len(group[0].numbers) != 1:
            counts, alike = _alike(group)
        else:
            counts, alike = True, _same_height(group)
        shown_on = {line.place[0] for line in alike}
        if len(shown_on) < MIN_PAGES or (words and not _is_frequent(shown_on, pages)):
            continue
        # "Page 7 of 15" says nothing but the number.
        keep = len(words) > (2 if counts else 0)
        least = max(MIN_PAGES_OF_HEADING, MIN_SHARE_OF_HEADING * pages)
        is_head = counts or len(shown_on) >= least
        found |= {line.place: keep for line in alike if is_head or not line.heading}
    return found


def _is_frequent(shown_on: set[int], pages: int) -> bool:
    """Whether a line stands on enough pages of the document, or of a chapter of it."""
    chapter = max(shown_on) - min(shown_on) + 1
    return len(shown_on) >= min(MIN_SHARE * pages, MIN_SHARE_OF_CHAPTER * chapter)


def _same_height(group: Sequence[_Line]) -> list[_Line]:
    middle = median(line.depth for line in group)
    return [line for line in group if abs(line.depth - middle) <= SAME_HEIGHT]


def _alike(group: Sequence[_Line]) -> tuple[bool, list[_Line]]:
    """Whether a number counts with the pages, and the lines whose numbers agree with most.

    Each number stays the same or counts.
    """
    counts = False
    alike = list(group)
    for column in range(len(group[0].numbers)):
        value, same = Counter(line.numbers[column] for line in group).most_common(1)[0]
        step, in_step = Counter(line.numbers[column] - line.page for line in group).most_common(1)[
            0
        ]
        if in_step > same:
            counts = True
            alike = [line for line in alike if line.numbers[column] - line.page == step]
        else:
            alike = [line for line in alike if line.numbers[column] == value]
    return counts, alike
