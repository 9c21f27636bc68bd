"""Has a worker ready before a document comes."""

from __future__ import annotations

import weakref
from functools import partial

from .document import load_renderer
from .pool import shared_pool

__all__ = ["ExpectedDocuments"]


class ExpectedDocuments:
    """Starts a worker for PDFs, which stays until this is closed or ten minutes pass without one.

    A worker takes a third of a second to start, for which the first document would wait.
    """

    def __init__(self, renderer: str) -> None:
        self._pool = shared_pool()
        prepare = partial(load_renderer, format="PDF", renderer=renderer, source="")
        self._number = self._pool.expect(prepare)
        self._abandon = weakref.finalize(self, self._pool.abandon, self._number)
        self._abandon.atexit = False

    def close(self) -> None:
        """End the workers, unless others need them; a second call does nothing."""
        # In a forked copy of this process, they are not ours.
        if self._abandon.detach() is not None and self._pool is shared_pool():
            self._pool.expect_no_more(self._number)
