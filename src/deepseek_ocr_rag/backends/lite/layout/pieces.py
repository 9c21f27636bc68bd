"""What the layout works on: words, tables and pictures as rectangles in one upright frame.

Coordinates here are points (pixels for a scan) of the page after it was turned
and deskewed, y downwards, so that lines are level. The boxes that come out are
always those of the page as displayed: every piece keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import median

from ....document.text_layer import Word
from ....document.types import Block, Box

__all__ = ["LayoutPiece", "UprightFrame", "extent", "typical_height", "union_box"]


@dataclass(frozen=True, slots=True)
class LayoutPiece:
    """A word, or a block that is laid out as a whole (a table, a picture).

    Attributes:
        x0: Left edge.
        y0: Upper edge.
        x1: Right edge.
        y1: Lower edge.
        box: Where it stands on the page as displayed.
        word: The word, or None.
        block: The finished block, or None.
        order: Its number in the order of drawing, or None where that is not known.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    box: Box
    word: Word | None = None
    block: Block | None = None
    order: int | None = None

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
        """The middle of its height."""
        return (self.y0 + self.y1) / 2

    @property
    def text(self) -> str:
        """The word's characters, or nothing."""
        return self.word.text if self.word is not None else ""


@dataclass(frozen=True, slots=True)
class UprightFrame:
    """How the displayed page is turned to make its text upright and level.

    Attributes:
        width: Of the displayed page.
        height: Of the displayed page.
        rotation: Direction of the text, degrees clockwise: 0, 90, 180, 270.
        skew: What is left after that, in radians, positive where lines fall to the right.
    """

    width: float
    height: float
    rotation: int = 0
    skew: float = 0.0

    @property
    def upright_width(self) -> float:
        """Width of the page once its text is upright."""
        return self.height if self.rotation in (90, 270) else self.width

    @property
    def upright_height(self) -> float:
        """Height of the page once its text is upright."""
        return self.width if self.rotation in (90, 270) else self.height

    def piece(
        self,
        box: Box,
        word: Word | None = None,
        block: Block | None = None,
        order: int | None = None,
    ) -> LayoutPiece:
        """A rectangle of the displayed page in this frame."""
        x0, y0, x1, y1 = self._turned(box)
        if self.skew:
            # Around the page's middle, by its centre: the box of a short word
            # on a slightly tilted line is hardly larger than the word.
            half_w, half_h = (x1 - x0) / 2, (y1 - y0) / 2
            dx = x0 + half_w - self.upright_width / 2
            dy = y0 + half_h - self.upright_height / 2
            cos, sin = math.cos(self.skew), math.sin(self.skew)
            cx = dx * cos + dy * sin + self.upright_width / 2
            cy = dy * cos - dx * sin + self.upright_height / 2
            x0, y0, x1, y1 = cx - half_w, cy - half_h, cx + half_w, cy + half_h
        return LayoutPiece(x0, y0, x1, y1, box, word, block, order)

    def _turned(self, box: Box) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = box.to_points(self.width, self.height)
        if self.rotation == 90:
            return y0, self.width - x1, y1, self.width - x0
        if self.rotation == 180:
            return self.width - x1, self.height - y1, self.width - x0, self.height - y0
        if self.rotation == 270:
            return self.height - y1, x0, self.height - y0, x1
        return x0, y0, x1, y1


def extent(pieces: Iterable[LayoutPiece]) -> tuple[float, float, float, float]:
    """The smallest rectangle ``(x0, y0, x1, y1)`` that holds all of one or more pieces."""
    held = list(pieces)
    return (
        min(p.x0 for p in held),
        min(p.y0 for p in held),
        max(p.x1 for p in held),
        max(p.y1 for p in held),
    )


def union_box(pieces: Iterable[LayoutPiece]) -> Box:
    """The smallest box on the displayed page that holds all of one or more pieces."""
    return reduce(Box.union, (p.box for p in pieces))


def typical_height(pieces: Sequence[LayoutPiece]) -> float:
    """The height of a usual word; 1 where there is none, so that it can divide."""
    heights = [p.height for p in pieces if p.word is not None and p.height > 0]
    return median(heights) if heights else 1.0
