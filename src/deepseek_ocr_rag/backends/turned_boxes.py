"""Turns boxes back to the page as it was given, if the model saw the page turned."""

from __future__ import annotations

import re
from typing import TypeVar

from ..document.grammar.box_lists import MAX_JUNK, read_boxes
from ..document.grammar.bracket_tags import bracket_tags
from ..document.grammar.runtime_noise import find_noise
from ..document.types import GRID
from ..model.loops.text_edits import Edit

__all__ = ["boxes_turned_back", "turned_back"]

_LIST = re.compile(r"(?<=<\|det\|>)[^\[\n<]{0,40}(\[[^\n<]*)")
_LETTER = re.compile(r"[^\W\d_]")

_Number = TypeVar("_Number", int, float)


def turned_back(
    corners: tuple[_Number, _Number, _Number, _Number], turn: int, width: _Number, height: _Number
) -> tuple[_Number, _Number, _Number, _Number]:
    """Turn a box ``(x0, y0, x1, y1)`` (y downwards) counter-clockwise by 0, 90, 180 or 270 degrees.

    Width and height are those of the page before the turn.
    """
    x0, y0, x1, y1 = corners
    if turn == 90:
        return y0, width - x1, y1, width - x0
    if turn == 180:
        return width - x1, height - y1, width - x0, height - y0
    if turn == 270:
        return height - y1, x0, height - y0, x1
    return corners


def boxes_turned_back(text: str, turn: int) -> tuple[Edit, ...]:
    """Make the edits to the boxes in a model's text that undo a clockwise turn of the page.

    A list of boxes that the grammar cannot read stays unchanged. Edited boxes have ordered corners
    on the 0..999 grid.
    """
    if not turn:
        return ()
    edits = []
    tags = bracket_tags(text, find_noise(text, recorded=False))
    lists_without_marks = ((label_end, end) for _, label_end, end in tags)
    for start, end in (*(match.span(1) for match in _LIST.finditer(text)), *lists_without_marks):
        last = text.rfind("]", start, end)
        end = last + 1 if last >= 0 else end
        written = text[start:end]
        boxes, _ = read_boxes(written)
        if not boxes or len(_LETTER.findall(written)) > MAX_JUNK:
            continue
        lists = ", ".join(str([*turned_back(box.to_grid(), turn, GRID, GRID)]) for box in boxes)
        single = len(boxes) == 1 and not written.startswith("[[")
        edits.append(Edit(start, end, lists if single else f"[{lists}]"))
    return tuple(edits)
