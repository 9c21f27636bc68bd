"""Starts what the first page of a document needs before that page is asked for."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Final

from ..backends.base import Backend, begin_loading
from ..model.prompts import Mode, Task
from ..sources.limits import Limits
from ..sources.source import ExpectedDocuments
from .cache import PageCache
from .cached_pages import CachedPages, PageKey, renderer_version

__all__ = ["EarlyStart"]

_FIRST: Final = re.compile(r"\s*([0-9]{1,9})")


class EarlyStart:
    """Loads a reader's model while a document is opened, and has a drawing process ready for one.

    Args:
        renderer: As the reader has it, like the rest.
        mode: Its resolution.
        limits: Its limits on a document.
        cache: Its cache.
    """

    def __init__(self, renderer: str, mode: Mode, limits: Limits, cache: PageCache | None) -> None:
        self._renderer = renderer
        self._mode = mode
        self._limits = limits
        self._cache = cache
        self._lock = threading.Lock()
        self._expected: ExpectedDocuments | None = None
        self._closed = False

    def start_drawing_process(self) -> None:
        """Start a process that draws pages, without waiting, unless there is one.

        Otherwise the first page would wait for it, half a second on a busy machine. It ends with
        :meth:`close`, when this is garbage-collected, or if no document comes for ten minutes.
        """
        with self._lock:
            if self._expected is None and not self._closed:
                self._expected = ExpectedDocuments(self._renderer)

    def load(
        self,
        backend: Backend | None,
        digest: Callable[[], str],
        pages: str | Sequence[int] | None,
        task: Task,
    ) -> None:
        """Have a model loaded for a document that will be opened, unless a page of it is cached.

        Only one page is looked up. If it is in the cache but others are not, the model is loaded
        once the document is open.

        Args:
            backend: What reads the document; None if it does not exist yet.
            digest: Returns the document's SHA-256.
            pages: Which pages are wanted, as for a reader.
            task: What is asked of them.
        """
        page = _first(pages)
        if (
            backend is not None
            and page is not None
            and not self._is_cached(backend, digest, page, task)
        ):
            begin_loading(backend)

    def close(self) -> None:
        """End the drawing process, unless others need it; there will be no other one."""
        with self._lock:
            self._closed = True
            expected, self._expected = self._expected, None
        if expected is not None:
            expected.close()

    def _is_cached(
        self, backend: Backend, digest: Callable[[], str], page: int, task: Task
    ) -> bool:
        if self._cache is None:
            return False
        key = PageKey(
            digest(),
            page,
            renderer_version(self._renderer),
            task,
            self._mode,
            self._limits.page_objects,
        )
        pages = CachedPages(self._cache, key).read_by(backend)
        return pages is not None and pages.find(page) is not None


def _first(pages: str | Sequence[int] | None) -> int | None:
    """Return the first page that a selection names; None if its start does not show that.

    Also None for a page below 1: no document has it, and its error needs no model.
    """
    first: object = 1
    if isinstance(pages, str):
        found = _FIRST.match(pages)
        first = int(found[1]) if found else None
    elif pages is not None:
        first = pages[0] if isinstance(pages, Sequence) and pages else None
    return first if type(first) is int and first >= 1 else None
