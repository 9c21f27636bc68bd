"""What the backends that ask a server have in common: limits, turns, and the life of one page."""

from __future__ import annotations

import asyncio
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import chain
from typing import Final

import httpx

from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
)
from ...model.ngrams import NoRepeat
from ..attempts import Attempt, AttemptSettings, RepeatPenalty
from ..base import PageRequest, Reply
from ..retry_ladder import SMALLER_PICTURE, RetryLadder
from .backoff import wait_seconds
from .concurrent_requests import Failure, ReadPage, read_concurrently
from .page_clock import Absence, PageClock

__all__ = ["RemoteBackend"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, unless ``stall_timeout`` is shorter."""

WAIT_SECONDS: Final = 60.0
"""How long a server that has answered before is waited for: an update takes 10 s."""

_MAKING_SLOTS: Final = threading.Lock()


class RemoteBackend(ABC):
    """A backend that sends page images to a server; :class:`ServerBackend` documents its arguments.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    needs_image = True
    reads_text_layer = False

    def __init__(
        self,
        *,
        server: str,
        concurrency: int | None,
        timeout: float,
        stall_timeout: float,
        attempts: int,
        retries: int,
        wait: float = WAIT_SECONDS,
    ) -> None:
        _check_limits(concurrency, min(timeout, stall_timeout), min(retries, wait), attempts)
        self.concurrency = concurrency
        self._slots: FairSemaphore | None = None
        self._absence = Absence(server, wait)
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._attempts = attempts
        self._retries = retries

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages; see :meth:`Backend.read`."""
        pages = iter(requests)
        first = next(pages, None)
        if first is None:
            return
        places = self._places(first)
        with _MAKING_SLOTS:
            slots = self._slots = self._slots or FairSemaphore(places)
        yield from read_concurrently(
            chain((first,), pages), self._session, concurrency=places, slots=slots
        )

    def _places(self, first: PageRequest) -> int:
        """How many pages may be in flight at once; asked before the first is read."""
        return self.concurrency or 1

    def limit(
        self,
        *,
        concurrency: int | None = None,
        timeout: float | None = None,
        wait: float | None = None,
    ) -> None:
        """Change limits before the first page is read; None leaves one as it is.

        Raises:
            ConfigurationError: If one is out of range.
        """
        _check_limits(concurrency, timeout, wait)
        self.concurrency = concurrency or self.concurrency
        self._timeout = timeout or self._timeout
        if wait is not None:
            self._absence.seconds = wait

    def close(self) -> None:  # noqa: B027 - a backend with more to free overrides it
        """Do nothing: between two calls of :meth:`read`, nothing is held."""

    @abstractmethod
    def _session(self) -> AbstractAsyncContextManager[ReadPage]:
        """Connect to the server."""

    @property
    def _http_timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self._stall_timeout, connect=min(CONNECT_SECONDS, self._stall_timeout))

    async def _read_page(
        self,
        request: PageRequest,
        ask: Callable[[PageRequest, AttemptSettings], Awaitable[Attempt]],
        no_repeat: NoRepeat | None = None,
        *,
        clock: PageClock | None = None,
        penalty: RepeatPenalty | None = None,
    ) -> Reply | Failure:
        """Ask until the page is read, the attempts are used up or the time is over.

        Args:
            request: The page.
            ask: Asks the server once; raises RetryableError if the same request
                may succeed later, BackendError if not.
            no_repeat: The repetition rule that the server is given at first.
            clock: The page's, which ``ask`` starts when the reply begins; without it, the
                time runs while ``ask`` does.
            penalty: What the server has in place of a stricter rule.
        """
        ladder = RetryLadder(
            request,
            AttemptSettings(request.task, request.mode, no_repeat),
            attempts=self._attempts,
            seconds=math.inf,
            modes=SMALLER_PICTURE,
            penalty=penalty,
        )
        time_left = clock or PageClock(self._timeout)
        retries = _Retries(self._retries, self._absence)
        try:
            async with time_left.limited():
                settings: AttemptSettings | None = ladder.settings
                while settings is not None and not time_left.over:
                    if clock is None:
                        time_left.start()
                    try:
                        attempt = await ask(request, settings)
                    except RetryableError as failed:
                        time_left.stop()
                        await retries.wait(failed)
                        continue
                    time_left.stop()
                    self._absence.end()
                    settings = await asyncio.to_thread(ladder.add, attempt)
            self._learn(ladder)
            return _with_retries(ladder.reply(), retries.count)
        except TimeoutError:
            error: BackendError = BackendTimeoutError(
                f"no complete reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except BackendError as problem:
            error = problem
        if ladder.answered:
            return _with_retries(ladder.reply(error), retries.count)
        if not isinstance(error, BackendUnavailableError):
            # A server that is away is no failure of this page.
            error.source, error.page = request.source, request.page
        return Failure(error, retries.count + 1)

    def _learn(self, ladder: RetryLadder) -> None:  # noqa: B027 - a backend that can overrides it
        """Learn from a page's attempts what the server does."""


def _check_limits(
    concurrency: int | None, timeout: float | None, wait: float | None, attempts: int = 1
) -> None:
    if (
        min(1 if concurrency is None else concurrency, attempts) < 1
        or not (1 if timeout is None else timeout) > 0
        or not (0 if wait is None else wait) >= 0
    ):
        raise ConfigurationError(
            "concurrency, attempts and timeouts must be above 0, retries and wait not below 0",
            remedy="Leave them out for the defaults.",
        )


class _Retries:
    """How often one page was asked for again because of the server, and when it may be."""

    def __init__(self, most: int, absence: Absence) -> None:
        self.count = 0
        self._most = most
        self._absence = absence
        self._stalled = False

    async def wait(self, failed: RetryableError) -> None:
        """Wait until the page may be asked for again.

        Raises:
            BackendError: If it may not.
        """
        stalled = isinstance(failed.error, BackendTimeoutError)
        if self.count < self._most and not (stalled and self._stalled):
            self.count += 1
            self._stalled = self._stalled or stalled
            pause: float | None = wait_seconds(self.count, failed.after)
        else:
            pause = self._absence.pause(failed)
        if pause is None:
            raise failed.error from failed
        await asyncio.sleep(pause)


def _with_retries(reply: Reply, retries: int) -> Reply:
    return replace(reply, attempts=reply.attempts + retries)
