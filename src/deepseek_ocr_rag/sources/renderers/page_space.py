"""Converts a PDF's page space to displayed points, and recognises rules (thin, straight lines).

Page space has its origin at the bottom left and y upwards; displayed points
have their origin at the top left and y downwards, after the page's rotation.
A matrix is PDF's ``(a, b, c, d, e, f)``: ``x' = a*x + c*y + e``,
``y' = b*x + d*y + f`` (ISO 32000-1, 8.3.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ...document.text_layer import Rule
from ...document.types import Box

__all__ = [
    "RECTANGLE_POINTS",
    "Edges",
    "Matrix",
    "PageSpace",
    "around",
    "bounds",
    "direction",
    "multiply",
    "transform",
]

Matrix = tuple[float, float, float, float, float, float]

Edges = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` of an upright box, with ``x0 <= x1`` and ``y0 <= y1``."""

RECTANGLE_POINTS = 6
"""A filled shape with more points than this is not a rectangle, and so not a rule."""

_THICKEST = 0.005
"""Largest thickness of a rule as a share of the page's long side: 4 points on Letter."""

_SHORTEST = 0.008
"""Smallest length of a rule as a share of that side: 6 points on Letter, a character's width."""


@dataclass(frozen=True, slots=True)
class PageSpace:
    """The displayed part of page space, and its rotation in degrees clockwise."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int = 0

    @property
    def width(self) -> float:
        """Width of the displayed page in points."""
        across = self.rotation % 180 == 0
        return self.right - self.left if across else self.top - self.bottom

    @property
    def height(self) -> float:
        """Height of the displayed page in points."""
        across = self.rotation % 180 == 0
        return self.top - self.bottom if across else self.right - self.left

    @property
    def matrix(self) -> Matrix:
        """The matrix from page space to displayed points."""
        if self.rotation == 90:
            return (0.0, 1.0, 1.0, 0.0, -self.bottom, -self.left)
        if self.rotation == 180:
            return (-1.0, 0.0, 0.0, 1.0, self.right, -self.bottom)
        if self.rotation == 270:
            return (0.0, -1.0, -1.0, 0.0, self.top, self.right)
        return (1.0, 0.0, 0.0, -1.0, -self.left, self.top)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box | None:
        """Make a box of displayed points, clipped to the page; None outside of the page."""
        x0, x1 = min(x0, x1), max(x0, x1)
        y0, y1 = min(y0, y1), max(y0, y1)
        width, height = self.width, self.height
        on_page = x1 >= 0 and y1 >= 0 and x0 <= width and y0 <= height
        # NaN makes the comparison false.
        if not on_page or width <= 0 or height <= 0:
            return None
        return Box.clamped(x0 / width, y0 / height, x1 / width, y1 / height)

    def may_hold_rule(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        """Whether a drawing with these bounds, in displayed points, is long enough for a rule."""
        return max(abs(x1 - x0), abs(y1 - y0)) >= _SHORTEST * max(self.width, self.height)

    def rule(self, x0: float, y0: float, x1: float, y1: float) -> Rule | None:
        """Make a rule of displayed points, or None if they are not a thin straight line."""
        across, down = abs(x1 - x0), abs(y1 - y0)
        side = max(self.width, self.height)
        thickness, length = min(across, down), max(across, down)
        if thickness > _THICKEST * side or length < max(_SHORTEST * side, 3 * thickness):
            return None
        box = self.box(x0, y0, x1, y1)
        return None if box is None else Rule(box, horizontal=across >= down)


def transform(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Transform a point."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def multiply(first: Matrix, second: Matrix) -> Matrix:
    """Return the matrix that applies ``first`` and then ``second``."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + m,
    )


def bounds(matrix: Matrix, x0: float, y0: float, x1: float, y1: float) -> Edges:
    """Return the upright box around a transformed box."""
    a, b, c, d, e, f = matrix
    ax0, ax1, bx0, bx1 = a * x0, a * x1, b * x0, b * x1
    cy0, cy1, dy0, dy1 = c * y0, c * y1, d * y0, d * y1
    return (
        min(ax0, ax1) + min(cy0, cy1) + e,
        min(bx0, bx1) + min(dy0, dy1) + f,
        max(ax0, ax1) + max(cy0, cy1) + e,
        max(bx0, bx1) + max(dy0, dy1) + f,
    )


def around(points: Iterable[Iterable[float]]) -> Edges:
    """Return the upright box around some points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


_UPRIGHT_WITHIN = 12
"""Degrees. Text that leans by less, as on a scan, counts as parallel to an edge of the page."""


def direction(x: float, y: float) -> int:
    """Convert a direction in displayed points to whole degrees clockwise.

    A direction close to a right angle becomes that right angle.
    """
    if not (math.isfinite(x) and math.isfinite(y)):
        return 0
    degrees = math.degrees(math.atan2(y, x))
    nearest = round(degrees / 90) * 90
    return (nearest if abs(degrees - nearest) < _UPRIGHT_WITHIN else round(degrees)) % 360
