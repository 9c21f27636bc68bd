"""Many requests at once behind a plain iterator: what all HTTP backends are built on.

The requests are answered by coroutines on an event loop in a thread of its own,
one thread for each call of ``Backend.read``. Whoever iterates may therefore be
in a notebook (whose thread already runs a loop) or slow; nothing waits for it
but the places of the requests it has not fetched yet. The thread, its
connections and all work end with the iterator.
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
from ...errors import BackendError, BackendUnavailableError
from ..base import PageRequest, Reply

__all__ = ["Failure", "OpenSession", "ReadPage", "read_concurrently"]

UNAVAILABLE_IN_A_ROW: Final = 3
"""So many pages in a row without a server, and the rest is not tried."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A page that could not be read, and how often it was tried."""

    error: BackendError
    attempts: int = 1


ReadPage = Callable[[PageRequest], Awaitable[Reply | Failure]]
"""Reads one page."""

OpenSession = Callable[[], AbstractAsyncContextManager[ReadPage]]
"""Connects; entering it may raise a BackendError, after which no page is read."""


def read_concurrently(
    requests: Iterable[PageRequest],
    open_session: OpenSession,
    *,
    concurrency: int,
    places: FairSemaphore | None = None,
) -> Iterator[Reply]:
    """Answer requests, at most ``concurrency`` at once; replies as they finish.

    A request is taken only while fewer than ``concurrency`` are under way or
    finished and not fetched. A finished reply goes before a new request. One
    that is cancelled gets no reply.

    Args:
        requests: The pages.
        open_session: Connects.
        concurrency: Requests of this call under way at once.
        places: Shared with other calls for the same server; a page's own time
            begins when it has one.

    Raises:
        BackendUnavailableError: If the server was not there for the first page
            that ended, or for three pages in a row.
        BackendError: If the session cannot be opened.
    """
    source = iter(requests)
    worker: _Worker | None = None
    verdict = _Verdict()
    under_way = 0
    exhausted = False
    try:
        while True:
            while (
                not exhausted
                and under_way < concurrency
                and (worker is None or worker.outcomes.empty())
            ):
                request = next(source, None)
                if request is None:
                    exhausted = True
                    break
                worker = worker or _Worker(open_session, places or FairSemaphore(concurrency))
                worker.submit(request)
                under_way += 1
            if worker is None or not under_way:
                return
            outcome = worker.outcomes.get()
            under_way -= 1
            if outcome.result is not None:
                yield verdict.on(outcome)
    finally:
        if worker is not None:
            worker.close()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a request ended, in None where it was cancelled; without a request, the whole worker."""

    request: PageRequest | None
    result: Reply | Failure | BaseException | None


class _Verdict:
    """Tells the failure of a page, which is a reply, from the failure of the server."""

    def __init__(self) -> None:
        self._reached = False
        self._unavailable = 0

    def on(self, outcome: _Outcome) -> Reply:
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
        return Reply(
            outcome.request.key,
            "",
            finish_reason="error",
            attempts=result.attempts,
            error=str(result.error),
        )


class _Worker:
    """An event loop in a thread, and the requests that run on it."""

    def __init__(self, open_session: OpenSession, places: FairSemaphore) -> None:
        self.outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._open_session = open_session
        self._places = places
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="dsocr-requests", daemon=True)
        self._thread.start()
        self._started.wait()

    def submit(self, request: PageRequest) -> None:
        self._call(lambda: self._spawn(request))

    def close(self) -> None:
        self._call(lambda: self._main.cancel())
        self._thread.join()

    def _call(self, step: Callable[[], object]) -> None:
        # A loop that is gone has left the reason among the outcomes.
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
        """Hold the session open until it is cancelled."""
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
                # Before the session: requests must not outlive their connections.
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, request: PageRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: PageRequest) -> None:
        task = asyncio.current_task()
        result: Reply | Failure | BaseException | None = None
        try:
            with request.cancellation.on_cancel(lambda: self._call(lambda: task and task.cancel())):
                read_page = await asyncio.shield(self._opened)
                async with self._places.aplace(self):
                    result = await read_page(request)
        except BackendError as error:
            result = Failure(error)
        except Exception as error:  # noqa: BLE001 - a bug must surface where the replies are fetched
            result = error
        finally:
            # Else the session has ended, and says why.
            if result is not None or request.cancellation.cancelled:
                self.outcomes.put(_Outcome(request, result))
