"""Finds line numbers in the margin of a page, and words that are struck through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from .pieces import LayoutPiece, extent
from .rules import RulePiece

__all__ = ["line_numbers", "with_struck_words"]

_MIDDLE = (0.38, 0.7)
"""Where a line through a word crosses its box, in shares of the box's height from the top. An
underline is lower, and a line that is higher is the bottom of a table row."""

_THROUGH = 0.6
"""Least share of a word's width that a line through it crosses."""

_FEWEST_NUMBERS = 5


def with_struck_words(
    pieces: Sequence[LayoutPiece], rules: Sequence[RulePiece]
) -> list[LayoutPiece]:
    """Mark the words that a horizontal line runs through; return all pieces."""
    level = sorted((r for r in rules if r.horizontal), key=lambda r: r.at)
    if not level:
        return list(pieces)

    def is_struck(piece: LayoutPiece) -> bool:
        top, bottom = (piece.y0 + share * piece.height for share in _MIDDLE)
        crossed = sum(
            max(0.0, min(piece.x1, r.end) - max(piece.x0, r.start))
            for r in level
            if top <= r.at <= bottom
        )
        return crossed > _THROUGH * piece.width and any(c.isalnum() for c in piece.text)

    return [replace(p, struck=True) if p.word and is_struck(p) else p for p in pieces]


def line_numbers(pieces: Sequence[LayoutPiece], usual: float) -> list[LayoutPiece]:
    """Find the numbers in the margin that count the lines of a page; [] if there are none.

    They stand alone to the left (or right) of everything else, one below the other at even
    distances, and each is larger than the one above by the same step. ``usual`` is the typical
    height of a word.
    """
    words = [p for p in pieces if p.word is not None]
    numbers = [p for p in words if p.text.isascii() and p.text.isdigit() and len(p.text) <= 4]
    if len(numbers) < _FEWEST_NUMBERS:
        return []
    for side in (0, 1):
        edge = min(p.x1 for p in numbers) if side == 0 else max(p.x0 for p in numbers)
        column = sorted(
            (p for p in numbers if abs((p.x1 if side == 0 else p.x0) - edge) < 1.5 * usual),
            key=lambda p: p.y_centre,
        )
        if _counts_lines(column, usual) and _stands_apart(column, words, usual, left=side == 0):
            return column
    return []


def _counts_lines(column: Sequence[LayoutPiece], usual: float) -> bool:
    if len(column) < _FEWEST_NUMBERS:
        return False
    values = [int(p.text) for p in column]
    steps = {b - a for a, b in pairwise(values)}
    pitches = [b.y_centre - a.y_centre for a, b in pairwise(column)]
    usual_pitch = median(pitches)
    even = sum(abs(p - usual_pitch) < 0.5 * usual for p in pitches) >= 0.7 * len(pitches)
    return len(steps) == 1 and steps <= {1, 2, 5, 10} and even


def _stands_apart(
    column: Sequence[LayoutPiece], words: Sequence[LayoutPiece], usual: float, *, left: bool
) -> bool:
    """Return whether the column is outermost, and white space separates it from the text."""
    ids = set(map(id, column))
    x0, y0, x1, y1 = extent(column)
    beside = [p for p in words if id(p) not in ids and y0 - usual < p.y_centre < y1 + usual]
    figures = sum(any(map(str.isdigit, p.text)) for p in beside)
    if 2 * figures >= len(beside):
        # The years of a table are its labels.
        return False
    if left:
        return bool(beside) and min(p.x0 for p in beside) > x1 + 0.8 * usual
    return bool(beside) and max(p.x1 for p in beside) < x0 - 0.8 * usual
