"""Tells how far the reading of a document is: :class:`ReadingProgress`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReadingProgress"]


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """How far the reading of a document is.

    Attributes:
        source: Name of the document.
        done: Pages that are finished, in whatever order.
        total: Pages to read.
        reading: 1-based numbers of the pages that are being read now, ascending.
    """

    source: str
    done: int
    total: int
    reading: tuple[int, ...] = ()
