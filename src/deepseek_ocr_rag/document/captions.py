"""Matches captions, notes and inner texts to the figures and tables of a page.

The model labels captions but does not say what they belong to, and it writes some
as plain text. Reading order and position decide: a caption is next to its figure or
table, with nothing but other captions between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from .types import Block, Box, union

__all__ = ["CAPTION_KINDS", "FIGURE_KINDS", "companions", "is_caption"]

FIGURE_KINDS: Final = frozenset({"image", "figure", "chart"})
"""Kinds of blocks that are pictures."""

CAPTION_KINDS: Final[Mapping[str, str]] = {
    "image_caption": "figure",
    "figure_caption": "figure",
    # DeepSeek-OCR-2 writes figure_title over tables as well.
    "figure_title": "",
    "table_caption": "table",
    "table_title": "table",
    "table_footnote": "table",
}
"""Kinds of captions and notes, and what each belongs to: "figure", "table", or "" for either."""

LONGEST_PLAIN_CAPTION: Final = 640
"""Most characters that a block of plain text may have to count as a caption."""

_NAMED: Final = re.compile(
    r"(?i:(figure|fig\.|figura|abbildung|abb\.|图|圖|図)|table|tab\.|tabelle|tableau|tabla|表)"
    r"\s{0,2}[0-9A-Z]{1,3}(?:[.-][0-9]{1,3})?"
    # What follows the number in a caption; "Table 2 shows that" begins a sentence.
    r"(?:\s{0,2}[|:.–—-]|\s{1,3}[^\W\d_a-z]|[^\W\d_A-Za-z]|$)"
)


def is_caption(companion: Block, owner: Block) -> bool:
    """Whether a companion of a figure or table is a caption or note, not text inside it."""
    inside = bool(owner.boxes) and companion.boxes == owner.boxes
    return companion.kind in CAPTION_KINDS or not inside


def companions(blocks: Sequence[Block]) -> dict[int, tuple[int, ...]]:
    """Finds the captions, notes and inner texts of each figure and table.

    Returns:
        For the index of each figure or table, the indices of its companions in ascending order. No
        block is the companion of two.
    """
    found: dict[int, list[int]] = {i: [] for i, block in enumerate(blocks) if _floats(block)}
    inner = _inner_texts(blocks)
    for text, picture in inner.items():
        found[picture].append(text)
    kinds = [None if i in inner else _owner_kind(block) for i, block in enumerate(blocks)]
    before, after = _neighbours(blocks, kinds, inner, 1), _neighbours(blocks, kinds, inner, -1)
    for i, kind in enumerate(kinds):
        if kind is None:
            continue
        near = [j for j in (before[i], after[i]) if j >= 0]
        fitting = [j for j in near if _kind(blocks[j]) == kind]
        if blocks[i].kind == "text":
            # A sentence may begin with "Table 2" beside a figure.
            near = fitting
        if near:
            found[_nearest(blocks, i, fitting or near)].append(i)
    return {owner: tuple(sorted(members)) for owner, members in found.items()}


def _floats(block: Block) -> bool:
    return block.kind == "table" or block.kind in FIGURE_KINDS


def _kind(block: Block) -> str:
    return "table" if block.kind == "table" else "figure"


def _owner_kind(block: Block) -> str | None:
    """Returns what a caption belongs to: figure, table, or "" for either; None for other blocks."""
    if block.kind != "text":
        return CAPTION_KINDS.get(block.kind)
    match = _NAMED.match(block.text) if len(block.text) <= LONGEST_PLAIN_CAPTION else None
    if match is None:
        return None
    return "figure" if match[1] else "table"


def _inner_texts(blocks: Sequence[Block]) -> dict[int, int]:
    """Maps each text that the model wrote under a picture's tag (with its boxes) to the picture."""
    inner: dict[int, int] = {}
    for i, block in enumerate(blocks[1:], start=1):
        before = inner.get(i - 1, i - 1)
        same_boxes = block.boxes and block.boxes == blocks[before].boxes
        if block.kind == "text" and same_boxes and blocks[before].kind in FIGURE_KINDS:
            inner[i] = before
    return inner


def _neighbours(
    blocks: Sequence[Block], kinds: Sequence[str | None], inner: Mapping[int, int], step: int
) -> list[int]:
    """Finds the index of the figure or table before each block (after it with step -1), or -1.

    Only captions may come between them.
    """
    neighbours = [-1] * len(blocks)
    nearest = -1
    for i in range(len(blocks))[::step]:
        neighbours[i] = nearest
        if _floats(blocks[i]):
            nearest = i
        elif i not in inner and kinds[i] is None:
            nearest = -1
    return neighbours


def _nearest(blocks: Sequence[Block], caption: int, near: Sequence[int]) -> int:
    """Returns the nearer of the figures or tables before and after a caption.

    If the distances are equal, the custom of books decides: captions are above tables and below
    figures.
    """
    if len(near) == 1:
        return near[0]
    own = union(blocks[caption].boxes)
    boxes = [union(blocks[j].boxes) for j in near]
    if own is not None and boxes[0] is not None and boxes[1] is not None:
        gaps = [_gap(own, boxes[0]), _gap(own, boxes[1])]
        if gaps[0] != gaps[1]:
            return near[0] if gaps[0] < gaps[1] else near[1]
    above = _owner_kind(blocks[caption]) == "table" and blocks[caption].kind != "table_footnote"
    return near[1] if above else near[0]


def _gap(one: Box, other: Box) -> float:
    """Returns the distance between two boxes in fractions of the page, 0 where they touch."""
    across = max(one.x0 - other.x1, other.x0 - one.x1, 0.0)
    down = max(one.y0 - other.y1, other.y0 - one.y1, 0.0)
    # The model's grid is coarse: smaller differences mean nothing.
    return round(across + down, 3)
