"""Retries while a service is unreachable or busy, for a limited time: :class:`Patience`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Self, TypeVar

from ...concurrency.cancellation import Cancellation
from ...errors import RetryableError

__all__ = ["Patience"]

FIRST_WAIT: Final = 0.25
"""Seconds before the second attempt, doubled before each further one."""

LONGEST_WAIT: Final = 5.0
"""Seconds between two attempts, unless the service asks for more."""

_Result = TypeVar("_Result")


class Patience:
    """Retries until nothing has succeeded for some seconds. A context manager.

    Args:
        seconds: How long to retry without a success.
        cancellation: Ends every wait.
    """

    def __init__(self, seconds: float, cancellation: Cancellation) -> None:
        self._seconds = seconds
        self._cancelled = threading.Event()
        self._open = ExitStack()
        self._open.enter_context(cancellation.on_cancel(self._cancelled.set))
        self._since = 0.0  # time of the first failure since the last success
        self._failures = 0

    def renew(self) -> None:
        """Record a success."""
        self._failures = 0

    def lose(self, lost: RetryableError) -> None:
        """Wait before the next attempt.

        Raises:
            DeepSeekOCRError: The service's error, if nothing has succeeded for too long.
        """
        if not self._failures:
            self._since = time.monotonic()
        self._failures += 1
        left = self._since + self._seconds - time.monotonic()
        if left <= 0:
            raise lost.error from lost
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures - 1, 10))
        wait *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter needs no secure numbers
        self._cancelled.wait(min(left, max(wait, lost.after or 0.0)))

    def insist(self, work: Callable[[], _Result]) -> _Result:
        """Call the work until it does not raise RetryableError; return its result.

        Raises:
            DeepSeekOCRError: An error of the work, or of a service that was unreachable for too long.
        """
        while True:
            try:
                result = work()
            except RetryableError as lost:
                self.lose(lost)
            else:
                self.renew()
                return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()
