"""Page order: pages end in any order, some were finished long ago, and come out by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..document.types import Page
from .cached_pages import KeptPage, KeptPages

__all__ = ["ReorderBuffer"]


class ReorderBuffer:
    """The pages of one document on their way: asked for, ended, given out.

    A page's key is its place in the selection. One thread may take
    :meth:`wanted` while another ends pages and takes :meth:`ready`.

    Args:
        numbers: 1-based page numbers, in the order in which they come out.
        kept: Has the pages that need not be read and takes those that end; None
            where nothing is kept.
    """

    def __init__(self, numbers: tuple[int, ...], kept: KeptPages | None) -> None:
        self.asked: dict[int, Page] = {}
        self._numbers = numbers
        self._kept = kept
        self._ended: dict[int, Page | KeptPage] = {}
        self._passed = -1
        self._next = 0

    def wanted(self) -> Iterator[int]:
        """The keys of the pages that must be read; the others are taken as they were kept."""
        for key, number in enumerate(self._numbers):
            self._passed = key
            if key < self._next:
                continue
            kept = self._find(number)
            if kept is None:
                yield key
            else:
                self._ended[key] = kept

    def end(self, key: int, page: Page) -> None:
        """Take a page that was read, or that failed."""
        if self._kept is not None:
            self._kept.keep(page)
        self._ended[key] = page

    def ready(self) -> Iterator[Page]:
        """The pages whose turn has come."""
        while self._next < len(self._numbers):
            found = self._ended.pop(self._next, None)
            if found is None and self._next > self._passed:
                # Not on its way: if it was kept, nothing else has to be waited for.
                found = self._find(self._numbers[self._next])
            if found is None:
                return
            self._next += 1
            yield found.page() if isinstance(found, KeptPage) else found

    def rest(self, instead: Callable[[int], Page]) -> Iterator[Page]:
        """The pages that are left when nothing more will be read.

        Args:
            instead: Gives the page of a key that never ended.
        """
        while self._next < len(self._numbers):
            key = self._next
            yield from self.ready()
            if self._next == key:
                self._next += 1
                yield instead(key)

    def _find(self, number: int) -> KeptPage | None:
        return None if self._kept is None else self._kept.find(number)
