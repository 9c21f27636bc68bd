"""Places at a backend for all who read through it at the same time: taken in turn, given back."""

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
    """A number of places at something that all share. Thread-safe, also over event loops.

    Of those who wait, readings take turns: one that waits with many pages gets
    one place, then the others get one each. So a single page waits no longer
    beside a document of 500 pages than beside one of two.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: OrderedDict[object, deque[Future[None]]] = OrderedDict()

    def __reduce__(self) -> tuple[type[FairSemaphore], tuple[int]]:
        # Backends travel to other processes, where nobody waits yet.
        return FairSemaphore, (self._count,)

    @property
    def contested(self) -> bool:
        """Whether somebody waits."""
        with self._lock:
            return bool(self._waiting)

    @contextmanager
    def place(self, reading: object, cancellation: Cancellation) -> Iterator[None]:
        """Hold a place while the context lasts.

        Args:
            reading: For whom; those that are the same share one turn.
            cancellation: Ends the waiting.

        Raises:
            TurnCancelledError: If it was cancelled before there was a place.
        """
        asked = self._ask(reading)
        try:
            with cancellation.on_cancel(asked.cancel):
                asked.result()
            if cancellation.cancelled:
                raise TurnCancelledError
        except CancelledError as error:
            raise TurnCancelledError from error
        except BaseException:
            self._withdraw(asked)
            raise
        try:
            yield
        finally:
            self._give_back()

    @asynccontextmanager
    async def aplace(self, reading: object) -> AsyncIterator[None]:
        """:meth:`place` for coroutines, which are cancelled by their task."""
        asked = self._ask(reading)
        try:
            await asyncio.wrap_future(asked)
        except BaseException:
            self._withdraw(asked)
            raise
        try:
            yield
        finally:
            self._give_back()

    def _ask(self, reading: object) -> Future[None]:
        asked: Future[None] = Future()
        with self._lock:
            if not self._free:
                self._waiting.setdefault(reading, deque()).append(asked)
                return asked
            self._free -= 1
        _grant(asked)
        return asked

    def _withdraw(self, asked: Future[None]) -> None:
        if not asked.cancel():
            # It was granted in this moment.
            self._give_back()

    def _give_back(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                reading, pages = self._waiting.popitem(last=False)
                asked = pages.popleft()
                if pages:
                    # To the end of the line.
                    self._waiting[reading] = pages
            if _grant(asked):
                return


def _grant(asked: Future[None]) -> bool:
    """Whether somebody still wanted it."""
    wanted = asked.set_running_or_notify_cancel()
    if wanted:
        asked.set_result(None)
    return wanted
