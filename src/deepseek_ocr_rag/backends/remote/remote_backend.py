"""The common part of the backends that ask a server: limits, slots, and the attempts at a page."""

from __future__ import annotations

import asyncio
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final, Self

import httpx

from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
    SourceError,
)
from ...model.ngrams import NoRepeat
from ..attempts import Attempt, AttemptSettings, RepeatPenalty
from ..base import PageRequest, Reply
from ..checkpoint_backend import check_positive
from ..retry_ladder import SMALLER_PICTURE, RetryLadder
from .backoff import wait_seconds
from .concurrent_requests import Failure, ReadPage, read_concurrently
from .page_clock import Absence, PageClock

__all__ = ["BrokenOff", "RemoteBackend"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, unless ``stall_timeout`` is shorter."""

WAIT_SECONDS: Final = 60.0
"""How long to wait for a server that has answered before: an update of it takes 10 s."""

_MAKING_SLOTS: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """A reply that the server did not end: asked for again, and kept if that does not help."""

    attempt: Attempt  # the text that arrived, with a warning
    error: BackendError  # what to report if no text arrived

    @classmethod
    def of(cls, attempt: Attempt, server: str, cut: str) -> Self:
        """Make it from an attempt; ``cut`` says how it broke off, ``server`` begins the warning."""
        warning = f"{server} broke off ({cut}): the end of the page may be missing"
        return cls(
            replace(attempt, warnings=(*attempt.warnings, warning), limited=True),
            BackendReplyError(f"the reply was cut off ({cut})", remedy="Read the page again."),
        )


class RemoteBackend(ABC):
    """A backend that sends page images to a server; :class:`ServerBackend` documents its arguments.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    needs_image = True
    sends_png = True
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
        check_positive(
            concurrency=concurrency, timeout=timeout, stall_timeout=stall_timeout, attempts=attempts
        )
        _check_not_negative(retries=retries, wait=wait)
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
        most = self._most_slots(first)
        with _MAKING_SLOTS:
            slots = self._slots = self._slots or FairSemaphore(most)
        yield from read_concurrently(
            chain((first,), pages), self._session, concurrency=most, slots=slots
        )

    def _most_slots(self, first: PageRequest) -> int:
        """Return how many pages may be in flight at once; called before the first is read."""
        return self.concurrency or 1

    def limit(
        self,
        *,
        concurrency: int | None = None,
        timeout: float | None = None,
        wait: float | None = None,
    ) -> None:
        """Change limits before the first page is read; None leaves one as it is.

        Args:
            concurrency: Pages in flight at once.
            timeout: Longest time for one page in seconds.
            wait: Longest wait for a server that is away, in seconds.

        Raises:
            ConfigurationError: If one is out of range.
        """
        check_positive(concurrency=concurrency, timeout=timeout)
        _check_not_negative(wait=wait)
        self.concurrency = concurrency or self.concurrency
        self._timeout = timeout or self._timeout
        if wait is not None:
            self._absence.seconds = wait

    def close(self) -> None:  # noqa: B027 - a backend with more to free overrides it
        """Do nothing: between two calls of :meth:`read` there is nothing to free."""

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
        *,
        clock: PageClock | None = None,
        penalty: RepeatPenalty | None = None,
    ) -> Reply | Failure:
        """Ask until the page is read, the attempts are used up or the time is over.

        Args:
            request: The page.
            ask: Asks the server once; raises a RetryableError if the same request may succeed
                later, a BackendError if not, a SourceError if the page cannot be drawn again.
            no_repeat: The repetition rule of the first attempt, or None.
            clock: The time of the page, which ``ask`` starts when the reply begins; without it,
                the time runs while ``ask`` does.
            penalty: What the server has in place of a stricter rule, or None.
        """
        ladder = RetryLadder(
            request,
            AttemptSettings(request.task, request.resolution, no_repeat),
            attempts=self._attempts,
            seconds=math.inf,
            modes=SMALLER_PICTURE,
            penalty=penalty,
        )
        time_left = clock or PageClock(self._timeout)
        tries = _Tries(self._retries, self._absence)
        try:
            async with time_left.limited():
                settings: AttemptSettings | None = ladder.settings
                while settings is not None and not time_left.over:
                    attempt = await self._whole_attempt(
                        partial(ask, request, settings), tries, time_left, starts=clock is None
                    )
                    settings = await asyncio.to_thread(ladder.add, attempt)
            self._learn(ladder)
            return _with_retries(ladder.reply(), tries.retries)
        except TimeoutError:
            error: BackendError | SourceError = BackendTimeoutError(
                f"no complete reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except (BackendError, SourceError) as problem:
            # A SourceError comes from drawing the page again for a further attempt.
            error = problem
        if not ladder.answered and tries.broken_off is not None:
            ladder.add(tries.broken_off.attempt)
        if ladder.answered:
            return _with_retries(ladder.reply(error), tries.retries)
        if not isinstance(error, BackendUnavailableError):
            # A server that is away is not this page's failure.
            error.source, error.page = request.source, request.page
        return Failure(error, tries.retries + 1)

    async def _whole_attempt(
        self,
        ask: Callable[[], Awaitable[Attempt | BrokenOff]],
        tries: _Tries,
        clock: PageClock,
        *,
        starts: bool,
    ) -> Attempt:
        """Ask in one way until a reply is complete; keep the longest if the retries are used up.

        ``starts`` says whether to start the clock with each request, as ``ask`` does not.
        """
        tries.broken_off = None
        while True:
            if starts or clock.has_run:
                clock.start()
            cause: RetryableError | None = None
            try:
                answer = await ask()
                self._absence.end()
                if isinstance(answer, Attempt):
                    return answer
                tries.keep(answer)
                failed = RetryableError(answer.error)
            except RetryableError as error:
                cause = failed = error
            finally:
                clock.stop()
            pause = tries.pause(failed)
            if pause is None:
                if tries.broken_off is not None:
                    return tries.broken_off.attempt
                raise failed.error from cause
            await asyncio.sleep(pause)

    def _learn(self, ladder: RetryLadder) -> None:  # noqa: B027 - a backend that can overrides it
        """Learn from a page's attempts how the server behaves."""


def _check_not_negative(**limits: float | None) -> None:
    for name, value in limits.items():
        if value is not None and not value >= 0:
            raise ConfigurationError(f"{name} is {value}", remedy="Use 0 or more, or leave it out.")


@dataclass(slots=True)
class _Tries:
    """Counts how often a page was asked for again; keeps the longest text that broke off."""

    most: int
    absence: Absence
    retries: int = 0
    stalled: bool = False
    broken_off: BrokenOff | None = None

    def keep(self, answer: BrokenOff) -> None:
        kept = len(self.broken_off.attempt.text) if self.broken_off else 0
        if len(answer.attempt.text.strip()) > kept:
            self.broken_off = answer

    def pause(self, failed: RetryableError) -> float | None:
        """Return the seconds until the page may be asked for again, or None if it may not."""
        stalled = isinstance(failed.error, BackendTimeoutError)
        if self.retries < self.most and not (stalled and self.stalled):
            self.retries += 1
            self.stalled = self.stalled or stalled
            return wait_seconds(self.retries, failed.after)
        return self.absence.pause(failed)


def _with_retries(reply: Reply, retries: int) -> Reply:
    return replace(reply, attempts=reply.attempts + retries)
