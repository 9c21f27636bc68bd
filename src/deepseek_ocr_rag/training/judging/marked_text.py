"""Finds the text between two marks."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["between"]


def between(text: str, start: str, end: str) -> Iterator[str]:
    """Yield what stands between each ``start`` and the next ``end``, in linear time."""
    place = text.find(start)
    while place >= 0:
        begin = place + len(start)
        stop = text.find(end, begin)
        if stop < 0:
            return
        yield text[begin:stop]
        place = text.find(start, stop + len(end))
