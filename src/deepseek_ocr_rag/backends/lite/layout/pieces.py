"""Defines the input of the layout: words, tables and pictures as rectangles in an upright frame.

Coordinates are points (pixels for a scan) of the page after it was turned upright and
deskewed, with y downwards. Every piece also keeps its box on the page as displayed,
from which the boxes of the blocks are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import median

from ....document.text_layer import Word
from ....document.types import Block, Box
from ...turned_boxes import turned_back

__all__ = ["LayoutPiece", "UprightFrame", "extent", "typical_height", "union_box", "without"]


@dataclass(frozen=True, slots=True)
class LayoutPiece:
    """A word, or a block that is laid out as a whole (a table, a picture)."""

    x0: float
    y0: float
    x1: float
    y1: float
    box: Box  # where it is on the page as displayed
    word: Word | None = None
    block: Block | None = None
    order: int | None = None  # index in the drawing order, or None if that is unknown
    struck: bool = False  # whether a line is drawn through the word

    @property
    def height(self) -> float:
        """Its height."""
        return self.y1 - self.y0

    @property
    def width(self) -> float:
        """Its width."""
        return self.x1 - self.x0

    @property
    def y_centre(self) -> float:
        """The y coordinate of its centre."""
        return (self.y0 + self.y1) / 2

    @property
    def text(self) -> str:
        """The word's characters; "" for a block."""
        return self.word.text if self.word is not None else ""


@dataclass(frozen=True, slots=True)
class UprightFrame:
    """Maps the displayed page to a frame in which its text is upright and level."""

    width: float  # of the displayed page
    height: float  # of the displayed page
    rotation: int = 0  # direction of the text, degrees clockwise: 0, 90, 180, 270
    skew: float = 0.0  # remaining tilt in radians, positive if lines fall to the right
    mirrored: bool = False  # whether the upright page is mirrored top to bottom

    @property
    def upright_width(self) -> float:
        """Width of the page after it was turned upright."""
        return self.height if self.rotation in (90, 270) else self.width

    @property
    def upright_height(self) -> float:
        """Height of the page after it was turned upright."""
        return self.width if self.rotation in (90, 270) else self.height

    def piece(
        self,
        box: Box,
        word: Word | None = None,
        block: Block | None = None,
        order: int | None = None,
    ) -> LayoutPiece:
        """Map a rectangle of the displayed page into this frame."""
        corners = box.to_points(self.width, self.height)
        x0, y0, x1, y1 = turned_back(corners, self.rotation, self.width, self.height)
        if self.skew:
            # Only a box's centre is rotated, around the page's centre: the box of a short
            # word on a slightly tilted line is hardly larger than the word.
            half_w, half_h = (x1 - x0) / 2, (y1 - y0) / 2
            dx = x0 + half_w - self.upright_width / 2
            dy = y0 + half_h - self.upright_height / 2
            cos, sin = math.cos(self.skew), math.sin(self.skew)
            cx = dx * cos + dy * sin + self.upright_width / 2
            cy = dy * cos - dx * sin + self.upright_height / 2
            x0, y0, x1, y1 = cx - half_w, cy - half_h, cx + half_w, cy + half_h
        if self.mirrored:
            y0, y1 = self.upright_height - y1, self.upright_height - y0
        return LayoutPiece(x0, y0, x1, y1, box, word, block, order)


def extent(pieces: Iterable[LayoutPiece]) -> tuple[float, float, float, float]:
    """Return the bounding rectangle ``(x0, y0, x1, y1)`` of one or more pieces."""
    held = list(pieces)
    return (
        min(p.x0 for p in held),
        min(p.y0 for p in held),
        max(p.x1 for p in held),
        max(p.y1 for p in held),
    )


def union_box(pieces: Iterable[LayoutPiece]) -> Box:
    """Return the bounding box of one or more pieces on the displayed page."""
    return reduce(Box.union, (p.box for p in pieces))


def typical_height(pieces: Sequence[LayoutPiece]) -> float:
    """Return the median height of the words; 1 if there are none, so that it can be a divisor."""
    heights = [p.height for p in pieces if p.word is not None and p.height > 0]
    return median(heights) if heights else 1.0


def without(pieces: Sequence[LayoutPiece], held: Sequence[LayoutPiece]) -> list[LayoutPiece]:
    """Return the pieces that are not in ``held``."""
    taken = set(map(id, held))
    return [p for p in pieces if id(p) not in taken]
