"""Boxes of a page that the model saw turned, brought back to the page as it lies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..document.grammar.tags import MAX_JUNK, read_boxes
from ..document.types import GRID
from ..model.loops.text_edits import Edit

__all__ = ["boxes_turned_back"]

_LIST = re.compile(r"(?<=<\|det\|>)[^\[\n<]{0,40}(\[[^\n<]*)")
_LETTER = re.compile(r"[^\W\d_]")

Corners = tuple[int, int, int, int]

_BACK: Final[dict[int, Callable[[int, int, int, int], Corners]]] = {
    90: lambda x0, y0, x1, y1: (y0, GRID - x1, y1, GRID - x0),
    180: lambda x0, y0, x1, y1: (GRID - x1, GRID - y1, GRID - x0, GRID - y0),
    270: lambda x0, y0, x1, y1: (GRID - y1, x0, GRID - y0, x1),
}


def boxes_turned_back(text: str, turn: int) -> tuple[Edit, ...]:
    """Changes after which the boxes of model text are those of the page as it lies.

    A list that the grammar could not read either stays as it is. What is changed
    comes out in order and on the 0..999 grid.

    Args:
        text: What the model wrote about the turned page.
        turn: By how many degrees it was turned clockwise: 0, 90, 180 or 270.

    Example:
        >>> boxes_turned_back("<|det|>[[0, 0, 100, 999]]<|/det|>", 90)
        (Edit(start=7, end=25, replacement='[[0, 899, 999, 999]]'),)
    """
    if not turn:
        return ()
    back = _BACK[turn]
    edits = []
    for match in _LIST.finditer(text):
        start, end = match.span(1)
        last = text.rfind("]", start, end)
        end = last + 1 if last >= 0 else end
        written = text[start:end]
        boxes, _ = read_boxes(written)
        if not boxes or len(_LETTER.findall(written)) > MAX_JUNK:
            continue
        lists = ", ".join(str(list(back(*box.to_grid()))) for box in boxes)
        single = len(boxes) == 1 and not written.startswith("[[")
        edits.append(Edit(start, end, lists if single else f"[{lists}]"))
    return tuple(edits)
