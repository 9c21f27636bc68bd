"""Runs the HTTP server, which ends slow requests and drains the queue before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from .queue import JobQueue

__all__ = ["HttpServer", "TimedProtocol"]

HEADER_SECONDS: Final = 15.0
"""Seconds that a connection may take to send the head of a request."""

KEPT_SECONDS: Final = 65
"""Seconds for which a connection is kept for the next request; proxies and clients reuse one for up
to 60.

With less, a request could arrive on a connection that is just being closed.
"""

CLOSE_SECONDS: Final = 5
"""Seconds for which replies may go on after the queue was drained."""

SWITCH_SECONDS: Final = 0.0005
"""Seconds for which a thread of this process computes while others wait for the interpreter.

The thread that answers requests waits that long after each system call. With Python's default of
5 ms, half of the replies took 40 ms under load.
"""

MOST_CONNECTIONS: Final = 1000
"""Most open connections; a request on a further one is answered with 503."""

_LOG: Final = logging.getLogger(__name__)


class TimedProtocol(H11Protocol):
    """Closes a connection if no request comes on it, or if a request comes too slowly.

    uvicorn itself closes only connections that are silent after a reply.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as in the base class
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Start the timer of a further request."""
        if self._deadline is None and self._is_idle:
            self._expect_head()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Stop the timer; uvicorn closes the connection if it stays silent.

        If a request was answered before it was complete, the rest may take as long as a head may.
        """
        self._forget()
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._forget()
        super().connection_lost(exc)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._end_without_request)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_without_request(self) -> None:
        if self._is_idle and not self.transport.is_closing():
            self.transport.close()


class HttpServer(uvicorn.Server):
    """Serves an app; when told to end, it first drains the queue and keeps answering meanwhile.

    Args:
        app: The app of the service.
        queue: Its jobs.
        drain_seconds: How long running pages may go on.
    """

    def __init__(self, app: FastAPI, queue: JobQueue, drain_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=TimedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEPT_SECONDS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        self._app = app
        self._queue = queue
        self._switch_seconds = sys.getswitchinterval()
        self._drain_seconds = drain_seconds

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT; unlike uvicorn, do not send them to this process again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End gracefully, or at once at the second signal."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until told to end; then until the queue is drained."""
        sys.setswitchinterval(SWITCH_SECONDS)
        # Modules and routes are never freed. Searching these 100,000 objects for garbage again and
        # again would hold up all replies, each time for a tenth of a second.
        frozen = gc.get_freeze_count()
        gc.collect()
        gc.freeze()
        try:
            await super().main_loop()
            await self._drain()
        finally:
            if not frozen:  # otherwise the program that uses this has its own reasons
                gc.unfreeze()
            sys.setswitchinterval(self._switch_seconds)

    async def _drain(self) -> None:
        _LOG.info("closing: no new jobs, running pages finish")
        draining = asyncio.get_running_loop().run_in_executor(
            None, partial(self._queue.drain, self._drain_seconds)
        )
        while not draining.done() and not self.force_exit:
            await asyncio.wait({draining}, timeout=0.1)
        self._app.state.watch.close()
