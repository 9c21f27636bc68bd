"""Limits how long a page may take, how long a server may be silent, and how long it may be away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from ...errors import BackendUnavailableError, RetryableError

__all__ = ["Absence", "PageClock", "ServerSilence", "SilenceWatch"]

ASK_AGAIN_SECONDS: Final = 1.0
"""Least seconds between two requests to a server that is away."""

_log = logging.getLogger("deepseek_ocr_rag")


class PageClock:
    """The time limit of one page over all attempts; it runs only while the server writes."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._started: float | None = None
        self._has_run = False
        self._limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Raise a TimeoutError when the time is over."""
        async with asyncio.timeout(None) as self._limit:
            yield

    def start(self) -> None:
        """Start the clock; do nothing if it runs already."""
        if self._started is None and self._limit is not None:
            self._has_run = True
            self._started = asyncio.get_running_loop().time()
            self._limit.reschedule(self._started + self._left)

    def stop(self) -> None:
        """Stop the clock; do nothing if it does not run."""
        if self._started is not None and self._limit is not None:
            self._left -= asyncio.get_running_loop().time() - self._started
            self._started = None
            if not self._limit.expired():
                self._limit.reschedule(None)

    @property
    def has_run(self) -> bool:
        """Whether the server has begun to write the page; from then on, waiting counts too."""
        return self._has_run

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self._left <= 0


@dataclass(slots=True)
class SilenceWatch:
    """When the server last sent something for one request."""

    heard: float  # time of the last byte
    begun: bool = False  # whether the reply has begun; until then the request may be in a queue


@dataclass(slots=True)
class ServerSilence:
    """When a server last sent something for any request.

    A request that waits in the server's queue counts as silent only if the server sends nothing for
    the others either.
    """

    seconds: float  # longest silence
    heard: float = field(default=0.0, init=False)  # time of any request's last byte

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[SilenceWatch]:
        """Raise a TimeoutError when the server is silent for too long."""
        loop = asyncio.get_running_loop()
        watch = SilenceWatch(loop.time())
        async with asyncio.timeout(None) as limit:

            def check() -> None:
                heard = watch.heard if watch.begun else max(watch.heard, self.heard)
                if (left := heard + self.seconds - loop.time()) > 0:
                    timers.append(loop.call_later(left, check))
                    del timers[0]
                else:
                    limit.reschedule(loop.time())

            timers = [loop.call_later(self.seconds, check)]
            try:
                yield watch
            finally:
                timers[-1].cancel()

    def hear(self, watch: SilenceWatch, *, begun: bool) -> None:
        """Note that bytes of a reply have arrived."""
        self.heard = watch.heard = asyncio.get_running_loop().time()
        watch.begun = watch.begun or begun


@dataclass(slots=True)
class Absence:
    """Tracks how long a server that answered before has been away, for all pages of a backend."""

    server: str  # its name in messages
    seconds: float  # how long to wait for it
    _known: bool = field(default=False, init=False)
    _since: float | None = field(default=None, init=False)

    def end(self) -> None:
        """Note that the server has answered."""
        if self._since is not None:
            away = time.monotonic() - self._since
            _log.warning("%s is back after %.0f s", self.server, away)
        self._known, self._since = True, None

    def pause(self, failed: RetryableError) -> float | None:
        """Return the seconds until the server is asked again, or None to stop waiting for it."""
        if not isinstance(failed.error, BackendUnavailableError):
            return None
        refused = isinstance(failed.__cause__, httpx.TransportError | ConnectionError)
        if refused and not self._known:
            # The server has never answered, so its address may be wrong.
            return None
        if self._since is None:
            self._since = time.monotonic()
            if self.seconds:
                _log.warning(
                    "%s is away (%s): waiting up to %g s for it",
                    self.server,
                    failed.error.problem,
                    self.seconds,
                )
        left = self._since + self.seconds - time.monotonic()
        if left <= 0:
            failed.error.remedy = (
                (
                    f"It did not come back within {self.seconds:g} s (--wait, or wait=). Start it, "
                    "then read again."
                )
                if self.seconds
                else failed.error.remedy
            )
            return None
        return min(left, max(ASK_AGAIN_SECONDS, failed.after or 0.0))
