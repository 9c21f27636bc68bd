"""A fair semaphore: the readers that share a backend take turns."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager, contextmanager

from ..errors import TurnCancelledError
from .cancellation import Cancellation

__all__ = ["FairSemaphore"]


class FairSemaphore:
    """A semaphore whose waiters take turns by reader. Thread-safe, also across event loops.

    A reader that waits with many pages gets one slot, then each other reader gets one. So a single
    page waits no longer beside a document of 500 pages than beside one of 2.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: OrderedDict[object, deque[Future[None]]] = OrderedDict()

    def __reduce__(self) -> tuple[type[FairSemaphore], tuple[int]]:
        # Backends are pickled to other processes, where nothing waits yet.
        return FairSemaphore, (self._count,)

    @property
    def contested(self) -> bool:
        """Whether anybody waits for a slot."""
        with self._lock:
            return bool(self._waiting)

    @contextmanager
    def slot(self, reading: object, cancellation: Cancellation) -> Iterator[None]:
        """Hold a slot; calls with the same ``reading`` share its turn.

        Raises TurnCancelledError if it was cancelled before a slot was free.
        """
        granted = self._request(reading)
        try:
            with cancellation.on_cancel(granted.cancel):
                granted.result()
            if cancellation.cancelled:
                raise TurnCancelledError
        except CancelledError as error:
            raise TurnCancelledError from error
        except BaseException:
            self._withdraw(granted)
            raise
        try:
            yield
        finally:
            self._release()

    @asynccontextmanager
    async def aslot(self, reading: object) -> AsyncIterator[None]:
        """:meth:`slot` for coroutines; cancelling the task withdraws the request."""
        granted = self._request(reading)
        try:
            await asyncio.wrap_future(granted)
        except BaseException:
            self._withdraw(granted)
            raise
        try:
            yield
        finally:
            self._release()

    def _request(self, reading: object) -> Future[None]:
        granted: Future[None] = Future()
        with self._lock:
            if not self._free:
                self._waiting.setdefault(reading, deque()).append(granted)
                return granted
            self._free -= 1
        _grant(granted)
        return granted

    def _withdraw(self, granted: Future[None]) -> None:
        if not granted.cancel():
            # It was granted in the meantime.
            self._release()

    def _release(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                reading, pages = self._waiting.popitem(last=False)
                granted = pages.popleft()
                if pages:
                    # To the end of the line.
                    self._waiting[reading] = pages
            if _grant(granted):
                return


def _grant(granted: Future[None]) -> bool:
    """Grant a slot; returns False if the request was withdrawn."""
    wanted = granted.set_running_or_notify_cancel()
    if wanted:
        granted.set_result(None)
    return wanted
