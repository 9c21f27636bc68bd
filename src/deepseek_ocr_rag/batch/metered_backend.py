"""Records tokens and seconds of each page: :class:`MeteredBackend`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..backends.base import Backend, PageRequest, Reply

__all__ = ["MeteredBackend", "PageCost"]


@dataclass(frozen=True, slots=True)
class PageCost:
    """The cost of a page.

    Attributes:
        tokens: Tokens that the model wrote, if the backend counts them.
        seconds: From when the backend took the page to its reply.
    """

    tokens: int | None
    seconds: float


class MeteredBackend:
    """Passes pages to a backend, and keeps tokens and seconds until they are taken. Thread-safe.

    Everything else is passed on to the backend.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._costs: dict[tuple[str, int], PageCost] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the backend has
        return getattr(self._backend, name)

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """See :meth:`Backend.read`."""
        asked: dict[int, tuple[str, int, float]] = {}

        def noted() -> Iterator[PageRequest]:
            for request in requests:
                asked[request.key] = (request.source, request.page, time.monotonic())
                yield request

        replies = self._backend.read(noted())
        try:
            for reply in replies:
                source, page, begun = asked.pop(reply.key, ("", 0, 0.0))
                cost = PageCost(reply.tokens, time.monotonic() - begun)
                with self._lock:
                    self._costs[source, page] = cost
                yield reply
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()

    def take(self, source: str, page: int) -> PageCost | None:
        """Return and forget the cost of a page; None if the page never reached the backend."""
        with self._lock:
            return self._costs.pop((source, page), None)

    def close(self) -> None:
        """Close the backend."""
        self._backend.close()
