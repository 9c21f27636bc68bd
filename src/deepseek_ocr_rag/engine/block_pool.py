"""Who owns which pages of the cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["PAGE", "BlockPool"]

PAGE: Final = 64
"""Tokens in a page of the cache."""


class BlockPool:
    """The free pages. Page 0 belongs to nobody and is never given away.

    Args:
        pages: How many pages the cache has, page 0 included.
    """

    def __init__(self, pages: int) -> None:
        self._free = list(range(pages - 1, 0, -1))

    def __len__(self) -> int:
        """How many pages are free."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Take free pages; there must be as many."""
        if count > len(self._free):
            raise ValueError(f"{count} pages were asked for and {len(self._free)} are free")
        return [self._free.pop() for _ in range(count)]

    def give_back(self, pages: Iterable[int]) -> None:
        """Pages that nobody needs any more."""
        self._free.extend(pages)
