"""What the backends that ask a server have in common: limits, turns, and the life of one page."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial

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
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..retry_ladder import SMALLER_PICTURE, RetryLadder
from .backoff import wait_seconds
from .concurrent_requests import Failure, ReadPage, read_concurrently

__all__ = ["BrokenOff", "RemoteBackend"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, unless ``stall_timeout`` is shorter."""


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """A reply that the server did not end: asked for again, and kept if that does not help.

    Attributes:
        attempt: What came, with a warning that says so.
        error: What to report where nothing came.
    """

    attempt: Attempt
    error: BackendError


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
        concurrency: int,
        timeout: float,
        stall_timeout: float,
        attempts: int,
        retries: int,
    ) -> None:
        if min(concurrency, attempts) < 1 or retries < 0 or not (timeout > 0 and stall_timeout > 0):
            raise ConfigurationError(
                "concurrency, attempts and timeouts must be above 0, and retries not below 0",
                remedy="Leave them out for the defaults.",
            )
        self.concurrency = concurrency
        self._slots = FairSemaphore(concurrency)
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._attempts = attempts
        self._retries = retries

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages; see :meth:`Backend.read`."""
        return read_concurrently(
            requests, self._session, concurrency=self.concurrency, slots=self._slots
        )

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
        ask: Callable[[PageRequest, AttemptSettings], Awaitable[Attempt | BrokenOff]],
        no_repeat: NoRepeat | None = None,
    ) -> Reply | Failure:
        """Ask until the page is read, the attempts are used up or the time is over.

        Args:
            request: The page.
            ask: Asks the server once; raises RetryableError if the same request
                may succeed later, BackendError if not.
            no_repeat: The repetition rule that the server is given at first.
        """
        ladder = RetryLadder(
            request,
            AttemptSettings(request.task, request.mode, no_repeat),
            attempts=self._attempts,
            seconds=self._timeout,
            modes=SMALLER_PICTURE,
        )
        tries = _Tries()
        try:
            async with asyncio.timeout(self._timeout):
                settings: AttemptSettings | None = ladder.settings
                while settings is not None:
                    attempt = await self._whole_attempt(partial(ask, request, settings), tries)
                    settings = await asyncio.to_thread(ladder.add, attempt)
            return _with_retries(ladder.reply(), tries.retries)
        except TimeoutError:
            error: BackendError = BackendTimeoutError(
                f"no complete reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except BackendError as problem:
            error = problem
        if not ladder.answered and tries.broken_off is not None:
            ladder.add(tries.broken_off.attempt)
        if ladder.answered:
            return _with_retries(ladder.reply(error), tries.retries)
        if not isinstance(error, BackendUnavailableError):
            # A server that is away is no failure of this page.
            error.source, error.page = request.source, request.page
        return Failure(error, tries.retries + 1)

    async def _whole_attempt(
        self, ask: Callable[[], Awaitable[Attempt | BrokenOff]], tries: _Tries
    ) -> Attempt:
        """Ask in one way until a reply is whole; the page's retries used up, keep the longest."""
        tries.broken_off = None
        while True:
            cause: RetryableError | None = None
            try:
                answer = await ask()
                if isinstance(answer, Attempt):
                    return answer
                tries.keep(answer)
                error = answer.error
            except RetryableError as failed:
                cause, error = failed, failed.error
            if tries.retries == self._retries:
                if tries.broken_off is not None:
                    return tries.broken_off.attempt
                raise error from cause
            tries.retries += 1
            await asyncio.sleep(wait_seconds(tries.retries, cause.after if cause else None))


@dataclass(slots=True)
class _Tries:
    """How often a page was asked for again, and the longest reply that broke off, if it has text."""

    retries: int = 0
    broken_off: BrokenOff | None = None

    def keep(self, answer: BrokenOff) -> None:
        kept = len(self.broken_off.attempt.text) if self.broken_off else 0
        if len(answer.attempt.text.strip()) > kept:
            self.broken_off = answer


def _with_retries(reply: Reply, retries: int) -> Reply:
    return replace(reply, attempts=reply.attempts + retries)
