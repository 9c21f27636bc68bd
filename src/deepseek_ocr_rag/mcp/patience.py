"""Answers a slow call before its client gives up, and lets it go on: :class:`RunningCalls`.

Many clients give up on a call after a minute. So a call that takes longer than 40 seconds is
answered with its progress; its work goes on, and the same call made again waits for the same work.
A call that its client cancels ends, unless its progress has been reported before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ..concurrency.cancellation import run_cancellable
from ..errors import BusyError

__all__ = ["PagesRead", "RunningCalls", "Unfinished"]

PATIENCE: Final = 40.0
"""Seconds until a call is answered with its progress. The shortest limit of common clients is 60."""

MOST_RUNNING: Final = 8
"""Most calls that run at once. Each has a thread, and they share one backend."""

KEPT_SECONDS: Final = 600.0
"""Seconds for which a result is kept that nobody has collected."""

MOST_KEPT: Final = 16

LOOK_SECONDS: Final = 0.5
"""Seconds after which a waiting call checks again whether more pages are done."""

_Result = TypeVar("_Result")

OnProgress = Callable[["PagesRead"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PagesRead:
    """How far a call is. ``total`` is None while it is unknown."""

    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Raised for a call that takes longer than clients wait; says how far it is."""

    pages: PagesRead


class _Counter:
    """How far a call is; counted in its thread, read in the event loop's."""

    def __init__(self) -> None:
        self.pages = PagesRead()

    def count(self, done: int, total: int | None) -> None:
        if done > self.pages.done:
            self.pages = PagesRead(done, total)


@dataclass(slots=True, eq=False)
class _Running(Generic[_Result]):
    """One running call, or its result that nobody has collected yet."""

    task: asyncio.Task[_Result]
    counter: _Counter
    waiting: int = 0
    goes_on: bool = False
    ended: float | None = None


class RunningCalls(Generic[_Result]):
    """The running calls. Belongs to one event loop.

    Args:
        patience: Seconds to wait for a call.
        most_running: Most calls that run at once; further ones are refused.
    """

    def __init__(self, *, patience: float = PATIENCE, most_running: int = MOST_RUNNING) -> None:
        self._patience = patience
        self._most_running = most_running
        self._calls: dict[Hashable, _Running[_Result]] = {}

    @property
    def kept(self) -> int:
        """The number of running calls, and of results that nobody has collected yet."""
        return len(self._calls)

    async def result(
        self,
        key: Hashable,
        work: Callable[[Callable[[int, int | None], None]], _Result],
        on_progress: OnProgress,
    ) -> _Result | Unfinished:
        """Return the result of a call, or how far it is after ``patience`` seconds.

        Args:
            key: Equal for calls that ask for the same.
            work: Does the work, in a thread; it gets a function to report how many pages are done,
                and of how many.
            on_progress: Awaited when more pages are done than before.

        Raises:
            BusyError: If too many calls are running.
        """
        self._forget_old()
        call = self._calls.get(key)
        if call is None:
            call = self._started(key, work)
        call.waiting += 1
        try:
            return await self._waited(call, on_progress)
        finally:
            call.waiting -= 1
            if not call.waiting and not call.goes_on:
                self._end(key, call)

    async def close(self) -> None:
        """Cancel all calls."""
        tasks = [call.task for call in self._calls.values()]
        self._calls.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _started(
        self, key: Hashable, work: Callable[[Callable[[int, int | None], None]], _Result]
    ) -> _Running[_Result]:
        running = sum(call.ended is None for call in self._calls.values())
        if running >= self._most_running:
            raise BusyError(
                f"the server is busy with {running} calls", remedy="Call again in a moment."
            )
        counter = _Counter()
        task = asyncio.create_task(run_cancellable(lambda: work(counter.count)))
        call = _Running(task, counter)
        task.add_done_callback(lambda task: _note_end(call, task))
        self._calls[key] = call
        return call

    async def _waited(
        self, call: _Running[_Result], on_progress: OnProgress
    ) -> _Result | Unfinished:
        until = time.monotonic() + self._patience
        told = 0
        while not call.task.done():
            left = until - time.monotonic()
            if left <= 0:
                call.goes_on = True
                return Unfinished(call.counter.pages)
            await asyncio.wait({call.task}, timeout=min(left, LOOK_SECONDS))
            pages = call.counter.pages
            if pages.done > told:
                told = pages.done
                await on_progress(pages)
        call.goes_on = False  # collected, so the same call made later is a new one
        return call.task.result()

    def _end(self, key: Hashable, call: _Running[_Result]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
        call.task.cancel()

    def _forget_old(self) -> None:
        ended = sorted(
            ((call.ended, key) for key, call in self._calls.items() if call.ended is not None),
            key=lambda each: each[0],
        )
        now = time.monotonic()
        for count, (when, key) in enumerate(reversed(ended)):
            if count >= MOST_KEPT or now - when > KEPT_SECONDS:
                del self._calls[key]


def _note_end(call: _Running[_Result], task: asyncio.Task[_Result]) -> None:
    call.ended = time.monotonic()
    if not task.cancelled():
        task.exception()  # mark the error as retrieved, because it may never be collected
