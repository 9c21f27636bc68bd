"""Recognises code on a page: lines of a monospaced font, which keep their ends and indents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from ....document.types import Block
from .lines import Line
from .pieces import union_box

__all__ = ["code_block", "is_code"]

_SIGNS = frozenset("{}()[];=<>_#$&|\\/*+\"'`@")
"""Signs that are frequent in code."""

_SIGN_SHARE = 0.06
"""Least share of these signs in code on a page that is typed in one monospaced font."""

MOST_COLUMNS: Final = 500
"""Most columns from a block's left edge to its right one: A3 across in letters 2.4 points wide
(4-point type) has 496. A page that claims narrower letters must not become gigabytes of spaces."""

MOST_LINES: Final = 500
"""Most lines from a block's top to its bottom, empty ones included: A3 upright in lines 2.4 points
high has 496. A page that claims lower lines must not become gigabytes of line ends."""


def is_code(lines: Sequence[Line], *, typed_page: bool) -> bool:
    """Return whether monospaced lines are code.

    On a page with another font they are. On a page that is typed throughout, such as a transcript,
    only lines with many signs that are frequent in code are.
    """
    if len(lines) < 2:
        return False
    text = "".join(piece.text for line in lines for piece in line.pieces)
    return not typed_page or sum(c in _SIGNS for c in text) >= _SIGN_SHARE * len(text)


def code_block(lines: Sequence[Line]) -> Block:
    """Make a block of code, with the indents and the empty lines that the page shows."""
    pieces = [piece for line in lines for piece in line.pieces]
    left = min(line.x0 for line in lines)
    across = max(line.x1 for line in lines) - left
    letter = median(p.width / len(p.text) for p in pieces if p.text)
    width = max(letter, across / MOST_COLUMNS) or 1.0
    steps = [below.y1 - above.y1 for above, below in pairwise(lines)]
    down = [step for step in steps if step > 0]
    pitch = max(min(down, default=1.0), sum(down) / MOST_LINES)
    rows = [_row(lines[0], left, width)]
    for step, line in zip(steps, lines[1:], strict=True):
        rows.extend([""] * max(0, round(step / pitch) - 1))
        rows.append(_row(line, left, width))
    body = "\n".join(rows)
    fence = "````" if "```" in body else "```"
    return Block("code", f"{fence}\n{body}\n{fence}", (union_box(pieces),))


def _row(line: Line, left: float, width: float) -> str:
    row = ""
    for piece in sorted(line.pieces, key=lambda p: p.x0):
        column = round((piece.x0 - left) / width)
        row += " " * max(column - len(row), 1 if row else 0) + piece.text
    return row
