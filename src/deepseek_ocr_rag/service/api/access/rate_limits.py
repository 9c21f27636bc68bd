"""Limits with token buckets how many requests a sender may send per second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["RateLimit"]

MOST_BUCKETS: Final = 10_000
"""How many buckets are kept; the one whose sender was silent longest is dropped first."""


class RateLimit:
    """A bucket of tokens for each sender; a request takes one token. For use in one thread.

    Args:
        per_second: Tokens that a bucket gains in a second.
        burst: Tokens that a full bucket holds.
        clock: Seconds, for tests.
    """

    def __init__(
        self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_second
        self._burst = max(1.0, burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_for(self, sender: str) -> float:
        """Take a token of a sender.

        Returns:
            0.0 if there was a token; otherwise none is taken, and the seconds until there is one.
        """
        tokens = self._tokens(sender)
        taken = tokens >= 1
        self._keep(sender, tokens - 1 if taken else tokens)
        return 0.0 if taken else (1 - tokens) / self._rate

    def is_empty(self, sender: str) -> bool:
        """Whether a sender has no token left; does not take one."""
        return sender in self._buckets and self._tokens(sender) < 1

    def _tokens(self, sender: str) -> float:
        now = self._clock()
        tokens, then = self._buckets.get(sender, (self._burst, now))
        return min(self._burst, tokens + (now - then) * self._rate)

    def _keep(self, sender: str, tokens: float) -> None:
        self._buckets[sender] = (tokens, self._clock())
        self._buckets.move_to_end(sender)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
