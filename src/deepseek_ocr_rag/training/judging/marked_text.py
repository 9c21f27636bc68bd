"""Finds the text between two marks."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["between"]


def between(text: str, start: str, end: str) -> Iterator[str]:
    """The parts of a text from each ``start`` to the next ``end``, in linear time; none overlap."""
    place = text.find(start)
    while place >= 0:
        begin = place + len(start)
        stop = text.find(end, begin)
        if stop < 0:
            return
        yield text[begin:stop]
        place = text.find(start, stop + len(end))
