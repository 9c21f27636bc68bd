"""Detects pages that lie on their side, from the direction of their text lines.

Ink that is blurred along the lines stays in bars with white between them; blurred across the lines,
it becomes an even grey with less variance. Every tile of the page votes. The lines also show which
side is up: in Latin script they end more sharply at the bottom, where few letters reach below the
line, than at the top. ``benchmarks/lite/orientation.py`` measures both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Orientation", "orientation"]

LONG_SIDE: Final = 1000
"""Pixels of the long side after downscaling: text lines are then 8 to 30 apart."""

TILE: Final = 128
"""Side of the tiles that vote, in pixels: a few lines of text."""

SMEAR: Final = 65
"""Length of the blur in pixels: more than two lines of text."""

CONTRAST: Final = 24.0
"""Grey levels, of 255, by which ink is darker than its surroundings."""

SURROUNDINGS: Final = 33
"""Side in pixels of the square around a pixel that counts as its surroundings."""

LONGEST_STROKE: Final = 60
"""Longest straight run of ink, in pixels, that may belong to a letter; a longer one is a rule or an edge."""

INK: Final = (0.02, 0.5)
"""Least and greatest share of ink in a tile that counts as text."""

FEWEST_VOTES: Final = 6
CLEAR: Final = -0.6
"""Least number of tiles with text, and the score below which a page lies on its side;
upright tables of numbers reach -0.46."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """A page's detected orientation.

    ``score`` is the median, over the tiles with text, of the natural logarithm of the ratio of
    variances: positive for horizontal lines, negative for vertical ones, 0 with too little text.
    """

    turn: int  # degrees clockwise until it is upright: 0, or the likelier of 90 and 270
    score: float


def orientation(image: Image.Image) -> Orientation:
    """Detect a page's orientation; upright unless most tiles disagree.

    It cannot tell an upside-down page from an upright one.
    """
    ink = _ink(image)
    pixels = ink.astype(np.float32)
    along, across = _mean(pixels, SMEAR, 1), _mean(pixels, SMEAR, 0)
    votes = []
    skewness = [0.0, 0.0]
    for part in _parts(ink):
        vote = float(np.log((along[part].var() + 1e-5) / (across[part].var() + 1e-5)))
        votes.append(vote)
        if vote < CLEAR:
            steps = np.diff(across[part], axis=1)
            skewness[0] += float((steps**3).sum())
            skewness[1] += float((np.abs(steps) ** 3).sum())
    if len(votes) < FEWEST_VOTES:
        return Orientation(0, 0.0)
    score = float(np.median(votes))
    if score > CLEAR:
        return Orientation(0, score)
    # If ink rises more sharply from left to right than it falls, the bottoms of the lines
    # are on the left, so the page was turned clockwise.
    return Orientation(270 if skewness[0] > 0 else 90, score)


def _ink(image: Image.Image) -> NDArray[np.bool_]:
    """Mark the pixels that are darker than their surroundings, without long straight strokes."""
    grey = image.convert("L")
    scale = max(grey.size) / LONG_SIDE
    if scale > 1:
        size = (max(1, round(grey.width / scale)), max(1, round(grey.height / scale)))
        grey = grey.resize(size, Image.Resampling.BOX)
    levels = np.asarray(grey, dtype=np.float32)
    around = _mean(_mean(levels, SURROUNDINGS, 0), SURROUNDINGS, 1)
    dark = around - levels > CONTRAST
    return dark & ~_long_strokes(dark) & ~_long_strokes(dark.T).T


def _long_strokes(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the pixels of horizontal runs that are longer than a letter."""
    height, width = dark.shape
    edges = np.zeros((height, width + 2), dtype=np.int8)
    edges[:, 1:-1] = dark
    changes = np.diff(edges, axis=1)
    rows, begins = np.nonzero(changes == 1)
    _, ends = np.nonzero(changes == -1)
    long = ends - begins > LONGEST_STROKE
    marks = np.zeros((height, width + 1), dtype=np.int32)
    marks[rows[long], begins[long]] = 1
    marks[rows[long], ends[long]] = -1
    return marks.cumsum(axis=1)[:, :-1] > 0


def _mean(values: NDArray[np.float32], length: int, axis: int) -> NDArray[np.float32]:
    """Average over an odd number of neighbours along one axis; edge values are repeated."""
    border = [(0, 0), (0, 0)]
    border[axis] = (length // 2 + 1, length // 2)
    sums = np.pad(values, border, "edge").cumsum(axis=axis, dtype=np.float64)
    along = np.moveaxis(sums, axis, 0)
    means = np.moveaxis((along[length:] - along[:-length]) / length, 0, axis)
    return np.asarray(means, dtype=np.float32)


def _parts(ink: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Return the tiles of the page that seem to hold text."""
    least, most = INK
    height, width = ink.shape
    parts = [
        (slice(top, top + TILE), slice(left, left + TILE))
        for top in range(0, max(1, height - TILE // 2), TILE)
        for left in range(0, max(1, width - TILE // 2), TILE)
    ]
    return [
        part
        for part in parts
        if min(ink[part].shape) >= TILE // 2 and least < ink[part].mean() < most
    ]
