"""What the backends that ask a server have in common: limits, turns, and the life of one page."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

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

__all__ = ["RemoteBackend"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, unless ``stall_timeout`` is shorter."""


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
        ask: Callable[[PageRequest, AttemptSettings], Awaitable[Attempt]],
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
        retries = 0
        try:
            async with asyncio.timeout(self._timeout):
                settings: AttemptSettings | None = ladder.settings
                while settings is not None:
                    try:
                        attempt = await ask(request, settings)
                    except RetryableError as failed:
                        if retries == self._retries:
                            raise failed.error from failed
                        retries += 1
                        await asyncio.sleep(wait_seconds(retries, failed.after))
                        continue
                    settings = await asyncio.to_thread(ladder.add, attempt)
            return _with_retries(ladder.reply(), retries)
        except TimeoutError:
            error: BackendError = BackendTimeoutError(
                f"no complete reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except BackendError as problem:
            error = problem
        if ladder.answered:
            return _with_retries(ladder.reply(error), retries)
        if not isinstance(error, BackendUnavailableError):
            # A server that is away is no failure of this page.
            error.source, error.page = request.source, request.page
        return Failure(error, retries + 1)


def _with_retries(reply: Reply, retries: int) -> Reply:
    return replace(reply, attempts=reply.attempts + retries)
