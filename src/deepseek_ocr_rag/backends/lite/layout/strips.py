"""Cuts a page into strips at white stripes, and says where a stack of strips ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .lines import build_lines
from .pieces import LayoutPiece, extent
from .rules import LevelRules, RulePiece

__all__ = ["Gap", "Strip", "cut_strips", "divides", "has_head", "merged"]

Gap = tuple[float, float]

MOST_HEAD_LINES = 10
"""Most lines of a table's head."""

WIDE = 0.8
"""Least share of a column's width that a rule must cover to divide it."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Pieces between two white stripes across the whole width."""

    pieces: tuple[LayoutPiece, ...]
    y0: float
    y1: float
    # The horizontal intervals that the pieces cover, including the spaces between words:
    # a space in a heading must not look like part of a gutter below it.
    runs: tuple[Gap, ...]


def cut_strips(pieces: Sequence[LayoutPiece]) -> list[Strip]:
    """Cut at every white stripe across the whole width.

    A fifth of each word's height is ignored at both edges: if a font's boxes are larger than its
    letters, the boxes of neighbouring lines touch.
    """
    strips: list[Strip] = []
    held: list[LayoutPiece] = []
    bottom = float("-inf")
    for piece in sorted(pieces, key=lambda p: _core(p)[0]):
        y0, y1 = _core(piece)
        if held and y0 > bottom:
            strips.append(_strip(held))
            held = []
        held.append(piece)
        bottom = max(bottom, y1)
    if held:
        strips.append(_strip(held))
    return strips


def _core(piece: LayoutPiece) -> tuple[float, float]:
    trim = 0.2 * piece.height if piece.word is not None else 0.0
    return piece.y0 + trim, piece.y1 - trim


def _strip(pieces: Sequence[LayoutPiece]) -> Strip:
    _, y0, _, y1 = extent(pieces)
    runs: list[Gap] = []
    for line in build_lines(pieces):
        held = sorted(line.pieces, key=lambda p: p.x0)
        for left, right in pairwise(held):
            if right.x0 - left.x1 < 0.5 * max(left.height, right.height):
                runs.append((left.x0, max(left.x1, right.x1)))
        runs.extend((p.x0, p.x1) for p in held)
    return Strip(tuple(pieces), y0, y1, tuple(merged(runs)))


def divides(above: Strip, below: Strip, column: Gap, level: LevelRules, usual: float) -> bool:
    """Return whether columns end between two strips: the page is white there, or has a rule.

    Args:
        above: The upper strip.
        below: The one below it.
        column: Left and right edge of the part of the page that is cut.
        level: The page's horizontal rules.
        usual: Typical height of a word.
    """
    return _is_break(above, below, usual) or _is_ruled_off(above, below, column, level, usual)


def _is_break(above: Strip, below: Strip, usual: float) -> bool:
    """Return whether columns end at a white stripe: it is wide, or a heading follows it."""
    gap = below.y0 - above.y1
    if gap > 2.5 * usual:
        return True
    first = min(below.pieces, key=lambda p: p.x0 + p.y0)
    return gap > 0.6 * usual and first.word is not None and first.height > 1.3 * usual


def _rules_between(
    above: Strip, below: Strip, level: LevelRules, usual: float
) -> Sequence[RulePiece]:
    return level.between(above.y1 - 0.4 * usual, below.y0 + 0.4 * usual)


def _is_ruled_off(above: Strip, below: Strip, column: Gap, level: LevelRules, usual: float) -> bool:
    """Return whether a rule through most of the column lies between two strips."""
    left, right = column
    return any(
        min(rule.end, right) - max(rule.start, left) >= WIDE * (right - left)
        for rule in _rules_between(above, below, level, usual)
    )


def has_head(
    strips: Sequence[Strip],
    start: int,
    end: int,
    sides: tuple[list[LayoutPiece], list[LayoutPiece]],
    level: LevelRules,
    usual: float,
) -> bool:
    """Return whether the head of a table is among strips that a gap divides, or is all of them.

    Rules at one height lie on both sides of the gap, and figures below them on both.
    """
    left, right = max(p.x1 for p in sides[0]), min(p.x0 for p in sides[1])
    # Only the lowest line of a head has texts in all its columns.
    last = min(end + 2, start + MOST_HEAD_LINES) if end - start <= MOST_HEAD_LINES else end - 1
    for at in range(start + 1, min(last + 1, len(strips))):
        rules = _rules_between(strips[at - 1], strips[at], level, usual)
        heights = [
            {round(r.at / (0.3 * usual)) for r in rules if r.end <= right and r.middle < left},
            {round(r.at / (0.3 * usual)) for r in rules if r.start >= left and r.middle > right},
        ]
        if heights[0] & heights[1] and _has_figures(strips[at:], (left + right) / 2, usual):
            return True
    return False


def _has_figures(strips: Sequence[Strip], middle: float, usual: float) -> bool:
    """Return whether the first strips, up to a wide white stripe, have figures on both sides."""
    found: set[bool] = set()
    for number, strip in enumerate(strips):
        if number and strip.y0 - strips[number - 1].y1 > 2.5 * usual:
            break
        found |= {
            piece.x0 > middle
            for piece in strip.pieces
            if any(map(str.isdigit, piece.text)) and not any(map(str.isalpha, piece.text))
        }
    return len(found) == 2


def merged(intervals: Iterable[Gap]) -> list[Gap]:
    """Return the parts that some intervals cover, from left to right."""
    found: list[Gap] = []
    for left, right in sorted(intervals):
        if found and left <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], right))
        else:
            found.append((left, right))
    return found
