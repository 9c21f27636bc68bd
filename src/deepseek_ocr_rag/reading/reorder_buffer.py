"""Puts pages back into order: they finish in any order, or were cached long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..document.types import Page
from .cached_pages import CachedPage, CachedPages

__all__ = ["ReorderBuffer"]


class ReorderBuffer:
    """Collects the pages of one document and gives them out in order.

    A page's key is its index in the selection. One thread may iterate over :meth:`uncached` while
    another adds pages and takes :meth:`ready`. ``requested`` holds, by key, the pages that the
    backend was asked for and has not answered yet; ``done`` counts the finished ones.
    """

    def __init__(self, numbers: tuple[int, ...], cached: CachedPages | None) -> None:
        self.requested: dict[int, Page] = {}
        self.done = 0
        self._numbers = numbers
        self._cached = cached
        self._finished: dict[int, Page | CachedPage] = {}
        self._last_visited = -1
        self._next = 0

    def uncached(self) -> Iterator[int]:
        """The keys of the pages that must be read; cached pages are added on the way."""
        for key, number in enumerate(self._numbers):
            self._last_visited = key
            if key < self._next:
                continue
            cached = self._find(number)
            if cached is None:
                yield key
            else:
                self._finished[key] = cached
                self.done += 1

    def add(self, key: int, page: Page) -> None:
        """Add a page that was read, or that failed."""
        if self._cached is not None:
            self._cached.store(page)
        self._finished[key] = page
        self.done += 1

    def ready(self) -> Iterator[Page]:
        """The next pages in order, as far as they are finished."""
        while self._next < len(self._numbers):
            found = self._finished.pop(self._next, None)
            if found is None and self._next > self._last_visited:
                # Not requested yet. If it is cached, it need not wait for requested pages.
                found = self._find(self._numbers[self._next])
                self.done += found is not None
            if found is None:
                return
            self._next += 1
            yield found.page() if isinstance(found, CachedPage) else found

    def rest(self, missing: Callable[[int], Page]) -> Iterator[Page]:
        """All remaining pages, once the backend has ended; ``missing`` makes unanswered ones."""
        while self._next < len(self._numbers):
            key = self._next
            yield from self.ready()
            if self._next == key:
                self._next += 1
                self.done += 1
                yield missing(key)

    def _find(self, number: int) -> CachedPage | None:
        return None if self._cached is None else self._cached.find(number)
