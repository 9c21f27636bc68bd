"""Tells a white gap between columns of text from one in a table, a list or a form."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .lines import Line, build_lines
from .pieces import LayoutPiece, extent

__all__ = ["are_columns", "are_texts"]


FEWEST_LINES = 6
"""A side with at least this many lines may be a column of prose, whatever rules it contains."""


PROSE_WORDS = 6
"""Lines with at least this many words may be prose, in whatever order they were drawn."""


@dataclass(frozen=True, slots=True)
class _Side:
    """Measures of one side of a gutter."""

    lines: int  # of text
    words: float  # in a line, median
    fill: float  # share of the side's width that a line fills, median
    numeric: float  # share of the words that have digits
    centres: tuple[float, ...]  # of the lines, their y
    has_block: bool  # whether there is a table or a picture
    is_list: bool  # whether most lines begin with a sign, as items and boxes to tick do

    @property
    def is_prose(self) -> bool:
        return self.lines >= 3 and self.words >= 3 and self.fill >= 0.55 and self.numeric < 0.4


def _side(pieces: Sequence[LayoutPiece]) -> _Side:
    lines = build_lines(pieces)
    x0, _, x1, _ = extent(pieces)
    words = [p.text for p in pieces if p.word is not None]
    texts = [line for line in lines if not line.is_block]
    return _Side(
        lines=len(texts),
        words=median(_count(line) for line in texts) if texts else 0,
        fill=median((line.x1 - line.x0) / max(1e-6, x1 - x0) for line in texts) if texts else 0,
        numeric=sum(any(c.isdigit() for c in w) for w in words) / max(1, len(words)),
        centres=tuple((line.y0 + line.y1) / 2 for line in texts),
        has_block=len(texts) < len(lines),
        is_list=2 * sum(not line.text[:1].isalnum() for line in texts) > len(texts),
    )


def _count(line: Line) -> float:
    """Count the words of a line; in scripts without spaces, six letters count as one."""
    return max(len(line.pieces), sum(len(p.text) for p in line.pieces) / 6)


def are_columns(
    left: Sequence[LayoutPiece], right: Sequence[LayoutPiece], *, gap: float, usual: float
) -> bool:
    """Return whether two sides of a gap are read one after the other, not row by row.

    Args:
        left: The pieces left of the gap.
        right: The pieces right of it.
        gap: Its width.
        usual: Typical height of a word, in the same unit.
    """
    if not left or not right:
        return False
    a, b = _side(left), _side(right)
    if a.is_prose and b.is_prose and not _are_rows(a, b, _crossings(left, right), usual):
        return gap >= (0.6 if min(a.lines, b.lines) >= 6 else 1.0) * usual
    if gap < 1.2 * usual:
        return False
    fewer, more = (a, b) if a.lines <= b.lines else (b, a)
    if fewer.lines == 0:
        # A picture or a table beside text.
        return fewer.has_block and more.lines >= 2
    share = _aligned_share(fewer, more, usual)
    crossings = _crossings(left, right)
    if crossings is not None and crossings >= 0.5 * fewer.lines and share >= 0.3:
        return False
    if fewer.lines >= 3 and share < 0.5:
        return True
    justified = any(side.is_prose and side.fill >= 0.8 for side in (a, b))
    if crossings is not None and crossings <= 1 and justified and fewer.lines >= 5:
        # Text beside a table of figures: each was drawn in one go.
        return True
    if max(a.numeric, b.numeric) >= 0.4 or min(a.words, b.words) < 2 or gap < 2 * usual:
        return False
    if fewer.lines == 2:
        return share == 0 and gap >= 3 * usual
    apart = crossings is not None and crossings <= 1 and gap >= 3 * usual
    # A few short lines that are level with each other are more likely the head of a table.
    return fewer.lines >= 3 and (share < 0.7 or (apart and fewer.lines >= 5))


def are_texts(left: Sequence[LayoutPiece], right: Sequence[LayoutPiece]) -> bool:
    """Return whether two sides of a gap are columns of prose, each drawn in one go.

    Words underlined in both are then not the head of a table, but links or names of court cases.
    """
    crossings = _crossings(left, right)
    if crossings is None or crossings > 1:
        return False
    return all(side.is_prose and side.lines >= FEWEST_LINES for side in (_side(left), _side(right)))


def _are_rows(one: _Side, other: _Side, crossings: int | None, usual: float) -> bool:
    """Return whether two sides with short lines were drawn row by row: a table of words."""
    fewer, more = sorted((one, other), key=lambda side: side.lines)
    if crossings is None or min(one.words, other.words) >= PROSE_WORDS:
        return False
    if one.is_list and other.is_list:
        return False
    return crossings >= 0.5 * fewer.lines and _aligned_share(fewer, more, usual) >= 0.7


def _aligned_share(fewer: _Side, more: _Side, usual: float) -> float:
    """Return the share of the lines of ``fewer`` that are level with a line of ``more``."""
    centres = sorted(more.centres)
    level = 0
    for y in fewer.centres:
        after = bisect_right(centres, y - 0.3 * usual)
        level += after < len(centres) and centres[after] < y + 0.3 * usual
    return level / fewer.lines


def _crossings(left: Sequence[LayoutPiece], right: Sequence[LayoutPiece]) -> int | None:
    """Count how often the drawing order returns from the right side to the left.

    Programs draw a column of text in one go, but a table row by row. None if the drawing order is
    unknown, as in recognised text, which is sorted by rows.
    """
    order = sorted(
        [(p.order, False) for p in left if p.order is not None]
        + [(p.order, True) for p in right if p.order is not None]
    )
    if not order:
        return None
    pairs = pairwise(order)
    return sum(was_right and not is_right for (_, was_right), (_, is_right) in pairs)
