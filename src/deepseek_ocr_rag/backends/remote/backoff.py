"""Decides how long to wait before retrying a server that was busy, was away or broke off."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["wait_seconds"]

FIRST_WAIT = 0.5
"""Seconds before the second attempt, doubled before each further one."""

LONGEST_WAIT: Final = 30.0
"""Most seconds; a longer Retry-After of a server is cut to this."""


def wait_seconds(attempts: int, asked: float | None = None) -> float:
    """Return the seconds until the next attempt: what the server asks for, else a doubling wait.

    Args:
        attempts: Attempts so far, at least 1.
        asked: Seconds that the server asked for, or None.
    """
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - jitter needs no secure numbers
    wait = FIRST_WAIT * 2 ** (attempts - 1) * jitter if asked is None else asked
    return min(LONGEST_WAIT, wait)
