"""Runs many requests concurrently behind a plain iterator, for the backends that ask a server.

Each call of ``Backend.read`` starts one thread with an event loop, whose
coroutines answer the requests. So the caller may be a notebook, whose own thread
already runs a loop. It may also be slow: it only occupies the slots of the replies
that it has not fetched. Thread, connections and work end with the iterator.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from ...concurrency.fair_turns import FairSemaphore
from ...errors import BackendError, BackendUnavailableError, SourceError
from ..base import PageRequest, Reply

__all__ = ["Failure", "OpenSession", "ReadPage", "read_concurrently"]

UNAVAILABLE_IN_A_ROW: Final = 3
"""After this many pages in a row without a server, the remaining pages are not tried."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A page that could not be read, and how often it was tried."""

    error: BackendError | SourceError
    attempts: int = 1


ReadPage = Callable[[PageRequest], Awaitable[Reply | Failure]]
"""Reads one page."""

OpenSession = Callable[[], AbstractAsyncContextManager[ReadPage]]
"""Connects to the server; if entering it raises a BackendError, no page is read."""


def read_concurrently(
    requests: Iterable[PageRequest],
    open_session: OpenSession,
    *,
    concurrency: int,
    slots: FairSemaphore | None = None,
) -> Iterator[Reply]:
    """Answer requests, at most ``concurrency`` at once; yield replies as they finish.

    A request is taken only while fewer than ``concurrency`` are in flight or finished but not
    fetched. A finished reply goes before a new request. A cancelled request gets no reply.

    Args:
        requests: The pages.
        open_session: Connects to the server.
        concurrency: Most requests at once in this call.
        slots: Shared with other calls for the same server; the clock of a page starts when it gets
            one.

    Raises:
        BackendUnavailableError: If the server was unavailable for the first page that finished, or
            for three pages in a row.
    """
    source = iter(requests)
    worker: _LoopThread | None = None
    availability = _Availability()
    in_flight = 0
    exhausted = False
    try:
        while True:
            while (
                not exhausted
                and in_flight < concurrency
                and (worker is None or worker.outcomes.empty())
            ):
                request = next(source, None)
                if request is None:
                    exhausted = True
                    break
                worker = worker or _LoopThread(open_session, slots or FairSemaphore(concurrency))
                worker.submit(request)
                in_flight += 1
            if worker is None or not in_flight:
                return
            outcome = worker.outcomes.get()
            in_flight -= 1
            if outcome.result is not None:
                yield availability.reply(outcome)
    finally:
        if worker is not None:
            worker.close()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a request ended."""

    request: PageRequest | None  # None: the thread itself ended
    result: Reply | Failure | BaseException | None  # None: the request was cancelled


class _Availability:
    """Tells the failure of one page, which becomes a reply, from the failure of the server."""

    def __init__(self) -> None:
        self._reached = False
        self._unavailable = 0

    def reply(self, outcome: _Outcome) -> Reply:
        """Return the reply to yield; raise an error that ends the reading."""
        result = outcome.result
        if result is None or isinstance(result, BaseException) or outcome.request is None:
            raise result if isinstance(result, BaseException) else RuntimeError(str(result))
        if isinstance(result, Failure) and isinstance(result.error, BackendUnavailableError):
            self._unavailable += 1
            if not self._reached or self._unavailable >= UNAVAILABLE_IN_A_ROW:
                raise result.error
        else:
            self._reached = True
            self._unavailable = 0
        if isinstance(result, Reply):
            return result
        return outcome.request.failed(result.error, result.attempts)


class _LoopThread:
    """Runs requests on an event loop in a thread of its own."""

    def __init__(self, open_session: OpenSession, slots: FairSemaphore) -> None:
        self.outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._open_session = open_session
        self._slots = slots
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="dsocr-requests", daemon=True)
        self._thread.start()
        self._started.wait()

    def submit(self, request: PageRequest) -> None:
        self._call(lambda: self._start_task(request))

    def close(self) -> None:
        self._call(lambda: self._main.cancel())
        self._thread.join()

    def _call(self, step: Callable[[], object]) -> None:
        # If the loop has ended, its reason is among the outcomes.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(step)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the replies are fetched
            self.outcomes.put(_Outcome(None, error))
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened: asyncio.Future[ReadPage] = self._loop.create_future()
        self._main = self._loop.create_task(self._hold_session())
        self._started.set()
        await self._main

    async def _hold_session(self) -> None:
        async with self._open_session() as read_page:
            self._opened.set_result(read_page)
            try:
                await asyncio.Event().wait()
            finally:
                # Before the session closes: requests must not outlive their connections.
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start_task(self, request: PageRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: PageRequest) -> None:
        task = asyncio.current_task()
        result: Reply | Failure | BaseException | None = None
        try:
            with request.cancellation.on_cancel(lambda: self._call(lambda: task and task.cancel())):
                read_page = await asyncio.shield(self._opened)
                async with self._slots.aslot(self):
                    result = await read_page(request)
        except BackendError as error:
            result = Failure(error)
        except Exception as error:  # noqa: BLE001 - a bug must surface where the replies are fetched
            result = error
        finally:
            # Without a result the session has ended, and it reports the reason itself.
            if result is not None or request.cancellation.cancelled:
                self.outcomes.put(_Outcome(request, result))
