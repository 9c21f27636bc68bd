"""Formats the parts of a reply to the model: names, page ranges, boxes, cut text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..document.types import Box
from .fencing import own_words

__all__ = [
    "MOST_RANGES",
    "NAME_CHARS",
    "box_text",
    "cut",
    "cut_point",
    "page_list",
    "page_ranges",
    "ranges_of",
    "short_name",
]

NAME_CHARS: Final = 120
"""Longest file name, section or search text in a reply."""

MOST_RANGES: Final = 8
"""Most page ranges, and most boxes, listed in one place of a reply."""


def page_list(numbers: Sequence[int]) -> str:
    """Name some pages, for instance "page 3" or "pages 1-3,7"."""
    return f"page{'s' if len(numbers) > 1 else ''} {page_ranges(numbers)}"


def page_ranges(numbers: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as "1-3,7"; at most the first :data:`MOST_RANGES` ranges."""
    return ",".join("-".join(map(str, each)) for each in ranges_of(numbers)[:MOST_RANGES])


def ranges_of(numbers: Sequence[int]) -> list[list[int]]:
    """First and last number of every run of consecutive numbers; a single number alone."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ranges


def short_name(name: str) -> str:
    """The end of a document's name, on one line, at most :data:`NAME_CHARS` characters of it."""
    name = own_words(name)
    return name if len(name) <= NAME_CHARS else f"…{name[-NAME_CHARS:]}"


def cut(text: str, limit: int) -> str:
    """The beginning of a text, at most ``limit`` characters, with "…" where it is cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def cut_point(text: str, limit: int) -> int:
    """Where to cut: after the last line end before the limit, or the last space, or else at the limit.

    Line ends and spaces in the first half are ignored, because the cut text would be too short.
    """
    for separator in ("\n", " "):
        end = text.rfind(separator, limit // 2, limit)
        if end > 0:
            return end + 1
    return limit


def box_text(box: Box) -> str:
    """A box as the tools print and accept it: ``[0.100, 0.200, 0.500, 0.300]``."""
    return "[" + ", ".join(f"{v:.3f}" for v in box.as_tuple()) + "]"
