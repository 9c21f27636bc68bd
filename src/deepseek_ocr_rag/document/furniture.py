"""Finds page furniture: running heads, running feet and page numbers, labelled or not.

Models rarely label it, and OCR programs never do. It is recognised by its place at the
edge of many pages, and by its text, which is the same on each page except for a number that
counts pages.
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
"""Labels that mean furniture."""

EDGE: Final = 0.15
"""Share of the page's height, at the top and at the bottom, that may hold furniture."""

LONGEST: Final = 200
"""Most characters in a block that can be furniture."""

MIN_PAGES: Final = 3
"""Fewest pages that must show the same line."""

MIN_SHARE: Final = 0.25
"""Smallest share of all pages: left and right pages may differ, and OCR misreads some."""

MIN_SHARE_OF_CHAPTER: Final = 0.5
"""The same, among the pages from the first to the last that show the line."""

MIN_PAGES_OF_HEADING: Final = 5
"""Fewest pages that must show a line that is labelled as a heading."""

MIN_SHARE_OF_HEADING: Final = 0.5
"""The same as a share of all pages."""

SAME_HEIGHT: Final = 0.015
"""Largest distance of a page number from the median height of all, in fractions of the page."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")

Edge = Literal["top", "bottom"]


@dataclass(frozen=True, slots=True)
class Furniture:
    """The furniture of one page: indices of blocks.

    ``first`` are blocks that were found by repetition, have words, and occur here for the first
    time. If they were left out too, their words would be lost.
    """

    blocks: frozenset[int] = frozenset()
    first: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _EdgeBlock:
    """A block at the edge of a page."""

    index: tuple[int, int]  # of the page, and of the block on it
    page: int
    depth: float  # distance from the edge in fractions of the page's height
    key: tuple[Edge, str]  # the edge, and the text with every number replaced by 0
    numbers: tuple[int, ...]
    heading: bool  # whether it is labelled as a heading


def page_furniture(pages: Sequence[Page]) -> tuple[Furniture, ...]:
    """Finds the furniture of each page.

    A block is furniture if its label says so. A line at the edge of the page, with only furniture
    between it and the edge, is furniture if it recurs on at least three pages, and on a quarter of
    all pages or half of a chapter's. Numbers in it must stay the same or count with the pages. Bare
    numbers only have to be at the same height on three pages. A line labelled as a heading must count
    with the pages, or occur on half of them and at least five, because other recurring headings mean
    something.

    Returns:
        One for each page, in order.
    """
    edges = [(_edge(i, page, "top"), _edge(i, page, "bottom")) for i, page in enumerate(pages)]
    recurring = _recurring([block for page in edges for edge in page for block in edge], len(pages))
    seen: set[tuple[Edge, str]] = set()
    result = []
    for page, outermost in zip(pages, edges, strict=True):
        labelled = {i for i, block in enumerate(page.blocks) if block.kind in FURNITURE_KINDS}
        found = [block for edge in outermost for block in _outer(edge, recurring, labelled)]
        first = [block for block in found if block.key not in seen and recurring[block.index]]
        seen.update(block.key for block in found)
        result.append(
            Furniture(
                frozenset(labelled.union(block.index[1] for block in found)),
                frozenset(block.index[1] for block in first),
            )
        )
    return tuple(result)


def _edge(index: int, page: Page, edge: Edge) -> list[_EdgeBlock]:
    """Collects the blocks at one edge, the outermost first."""
    found = []
    for i, block in enumerate(page.blocks):
        text = " ".join(block.text.casefold().split())
        if not text or len(text) > LONGEST or block.kind == "table" or not block.boxes:
            continue
        top, bottom = min(b.y0 for b in block.boxes), max(b.y1 for b in block.boxes)
        if bottom <= EDGE if edge == "top" else top >= 1 - EDGE:
            found.append(
                _EdgeBlock(
                    index=(index, i),
                    page=page.number,
                    depth=top if edge == "top" else 1 - bottom,
                    key=(edge, _NUMBER.sub("0", text)),
                    numbers=tuple(map(int, _NUMBER.findall(text))),
                    heading=block.kind in HEADING_KINDS,
                )
            )
    return sorted(found, key=lambda block: block.depth)


def _outer(
    blocks: Iterable[_EdgeBlock], recurring: Mapping[tuple[int, int], bool], labelled: set[int]
) -> Iterator[_EdgeBlock]:
    """Yields the furniture from the edge of the page inwards, up to the first other block."""
    for block in blocks:
        if block.index in recurring:
            yield block
        elif block.index[1] not in labelled:
            return


def _recurring(blocks: Iterable[_EdgeBlock], pages: int) -> dict[tuple[int, int], bool]:
    """Finds the blocks that recur on enough pages; for each index, whether it has words to keep."""
    groups: dict[tuple[Edge, str], list[_EdgeBlock]] = defaultdict(list)
    for block in blocks:
        groups[block.key].append(block)
    found: dict[tuple[int, int], bool] = {}
    for (_, text), group in groups.items():
        words = _WORD.findall(text)
        if words or len(group[0].numbers) != 1:
            counts, alike = _alike(group)
        else:
            counts, alike = True, _same_height(group)
        shown_on = {block.index[0] for block in alike}
        if len(shown_on) < MIN_PAGES or (words and not _is_frequent(shown_on, pages)):
            continue
        # "Page 7 of 15" gives no information but the number.
        keep = len(words) > (2 if counts else 0)
        least = max(MIN_PAGES_OF_HEADING, MIN_SHARE_OF_HEADING * pages)
        is_head = counts or len(shown_on) >= least
        found |= {block.index: keep for block in alike if is_head or not block.heading}
    return found


def _is_frequent(shown_on: set[int], pages: int) -> bool:
    """Whether a line occurs on enough pages of the document or of one chapter."""
    chapter = max(shown_on) - min(shown_on) + 1
    return len(shown_on) >= min(MIN_SHARE * pages, MIN_SHARE_OF_CHAPTER * chapter)


def _same_height(group: Sequence[_EdgeBlock]) -> list[_EdgeBlock]:
    middle = median(block.depth for block in group)
    return [block for block in group if abs(block.depth - middle) <= SAME_HEIGHT]


def _alike(group: Sequence[_EdgeBlock]) -> tuple[bool, list[_EdgeBlock]]:
    """Finds out whether a number counts with the pages, and which blocks agree with most others."""
    counts = False
    alike = list(group)
    for column in range(len(group[0].numbers)):
        values = Counter(block.numbers[column] for block in group)
        offsets = Counter(block.numbers[column] - block.page for block in group)
        value, same = values.most_common(1)[0]
        offset, counting = offsets.most_common(1)[0]
        if counting > same:
            counts = True
            alike = [b for b in alike if b.numbers[column] - b.page == offset]
        else:
            alike = [b for b in alike if b.numbers[column] == value]
    return counts, alike
