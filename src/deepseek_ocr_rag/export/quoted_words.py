"""Finds where words of a page's Markdown are on its picture, finer than the boxes of its blocks.

A PDF's text layer has the words with their boxes. Without one, as on a scan, the lines of ink in
a block's box are found, and the words are placed on them by their share of the block's characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..document.text_layer import TextLayer, Word
from ..document.types import Block, Box, Page

__all__ = ["Precision", "QuotedWords", "quoted_words"]

Precision = Literal["words", "lines", "blocks"]
"""Words of the text layer; lines of ink, words placed by their share; the whole blocks."""

MOST_WORDS: Final = 3000
"""Words of a block that are compared: comparing takes more than linear time."""

ENOUGH: Final = 0.6
"""Share of the quoted words that the text layer must have in their order."""

INK: Final = 0.25
"""A pixel is ink if it is darker than the lightest by this share of the range in the box."""

LEAST_CONTRAST: Final = 32
"""Grey levels between the lightest and the darkest pixel of a box with ink."""

MARGIN: Final = 0.004
"""How far a word may extend beyond its block's box, in fractions of the page."""

_WORD: Final = re.compile(r"\w+")
_MARKUP: Final = re.compile(r"<[^<>]{0,200}>|\\[a-zA-Z]+")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class QuotedWords:
    """Where a part of a page's text is.

    Attributes:
        boxes: A box for each line.
        precision: How they were found: the coarsest way among the blocks.
    """

    boxes: tuple[Box, ...]
    precision: Precision


def quoted_words(
    page: Page, span: tuple[int, int], picture: Image.Image | None, layer: TextLayer | None = None
) -> QuotedWords:
    """Where characters ``span`` of a page's Markdown are.

    Args:
        page: The page with its blocks.
        span: ``(start, end)`` in its Markdown.
        picture: The page as displayed, in any size; None if there is none.
        layer: Its text layer, if it has one.
    """
    grey = None if picture is None else np.asarray(picture.convert("L"))
    boxes: list[Box] = []
    found: set[Precision] = set()
    for block in page.blocks_in(*span):
        start, end = max(span[0], block.span[0]), min(span[1], block.span[1])
        part = (start - block.span[0], end - block.span[0])
        placed, precision = _placed(block, part, grey, layer)
        boxes += placed
        found.add(precision)
    order: tuple[Precision, ...] = ("blocks", "lines", "words")
    return QuotedWords(tuple(boxes), next((each for each in order if each in found), "blocks"))


def _placed(
    block: Block, part: tuple[int, int], grey: Pixels | None, layer: TextLayer | None
) -> tuple[Sequence[Box], Precision]:
    if layer is not None and (words := _in_layer(block, part, layer)):
        return words, "words"
    if part == (0, len(block.text)) or grey is None:
        return block.boxes, "blocks"
    if lines := _on_lines(block, part, grey):
        return lines, "lines"
    return block.boxes, "blocks"


# --- the text layer -----------------------------------------------------------------------


def _in_layer(block: Block, part: tuple[int, int], layer: TextLayer) -> list[Box]:
    """Boxes of the words of a part of a block, a box a line; none if they are not there."""
    inside = [word for word in layer.words if _stands_in(word, block.boxes)][:MOST_WORDS]
    seen = [(key, word) for word in inside for key in _keys(word.text)]
    wanted = list(_words(block.text))[:MOST_WORDS]
    quoted = {i for i, (_, start, end) in enumerate(wanted) if start < part[1] and part[0] < end}
    if not seen or not quoted:
        return []
    matcher = SequenceMatcher(
        None, [key for key, _, _ in wanted], [key for key, _ in seen], autojunk=False
    )
    hits = [
        match.b + offset
        for match in matcher.get_matching_blocks()
        for offset in range(match.size)
        if match.a + offset in quoted
    ]
    if len(hits) < ENOUGH * len(quoted):
        return []
    # Words between two words of the quote belong to it too, such as misread or hyphenated ones.
    return _by_line([word for _, word in seen[hits[0] : hits[-1] + 1]])


def _stands_in(word: Word, boxes: Sequence[Box]) -> bool:
    x, y = (word.box.x0 + word.box.x1) / 2, (word.box.y0 + word.box.y1) / 2
    return any(
        box.x0 - MARGIN <= x <= box.x1 + MARGIN and box.y0 - MARGIN <= y <= box.y1 + MARGIN
        for box in boxes
    )


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of Markdown with their offsets; those inside tags are left out."""
    visible = _MARKUP.sub(lambda match: " " * len(match[0]), text)
    for match in _WORD.finditer(visible):
        yield match[0].casefold(), *match.span()


def _keys(text: str) -> list[str]:
    return [match.casefold() for match in _WORD.findall(text)]


def _by_line(words: Sequence[Word]) -> list[Box]:
    lines: list[Box] = []
    for word in dict.fromkeys(words):
        last = lines[-1] if lines else None
        if last is not None and _is_beside(last, word.box):
            lines[-1] = last.union(word.box)
        else:
            lines.append(word.box)
    return lines


def _is_beside(line: Box, box: Box) -> bool:
    shared = min(line.y1, box.y1) - max(line.y0, box.y0)
    height = min(line.y1 - line.y0, box.y1 - box.y0)
    return shared > 0.5 * height and box.x0 >= line.x0 - MARGIN


# --- lines of ink -------------------------------------------------------------------------


def _on_lines(block: Block, part: tuple[int, int], grey: Pixels) -> list[Box]:
    """The part of a block's lines that its characters fill; none if no lines are seen."""
    if block.kind == "table":
        return _rows(block, part)
    lines = [line for box in block.boxes for line in _lines_in(box, grey)]
    width = sum(line.x1 - line.x0 for line in lines)
    if not width:
        return []
    length = len(block.text)
    start, end = part[0] / length * width, part[1] / length * width
    found: list[Box] = []
    before = 0.0
    for line in lines:
        size = line.x1 - line.x0
        left, right = max(start - before, 0.0), min(end - before, size)
        if right - left > 0.02 * size:
            found.append(Box.clamped(line.x0 + left, line.y0, line.x0 + right, line.y1))
        before += size
    return found


def _rows(block: Block, part: tuple[int, int]) -> list[Box]:
    """The rows of a table that a part of its text is in, taken as equally high."""
    ends = [match.end() for match in re.finditer(r"</tr>|\n(?!\|[ \t:|-]+\|(?:\n|$))", block.text)]
    starts = [0, *(end for end in ends if end < len(block.text))]
    hit = [
        i
        for i, (start, end) in enumerate(zip(starts, [*starts[1:], len(block.text)], strict=True))
        if start < part[1] and part[0] < end
    ]
    if len(block.boxes) != 1 or not hit:
        return []
    box = block.boxes[0]
    height = (box.y1 - box.y0) / len(starts)
    return [Box.clamped(box.x0, box.y0 + hit[0] * height, box.x1, box.y0 + (hit[-1] + 1) * height)]


def _lines_in(box: Box, grey: Pixels) -> list[Box]:
    """The lines of ink in a box, from top to bottom."""
    height, width = grey.shape
    x0, y0, x1, y1 = box.to_pixels(width, height)
    crop = grey[y0:y1, x0:x1]
    if not crop.size:
        return []
    lightest, darkest = int(np.percentile(crop, 90)), int(crop.min())
    if lightest - darkest < LEAST_CONTRAST:
        return []
    ink: NDArray[np.bool_] = crop < lightest - INK * (lightest - darkest)
    runs = _runs(np.asarray(ink.any(axis=1)))
    tall = float(np.median([end - start for start, end in runs]))
    lines = []
    for start, end in runs:
        if end - start >= 0.4 * tall:
            columns = np.flatnonzero(ink[start:end].any(axis=0))
            left, right = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
            lines.append(
                Box.clamped(left / width, (y0 + start) / height, right / width, (y0 + end) / height)
            )
    return lines


def _runs(rows: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where rows with ink begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
