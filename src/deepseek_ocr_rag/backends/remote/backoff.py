"""How long to wait before a page is asked for again from a server that was busy, away or broke off."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["wait_seconds"]

FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled for each one after it."""

LONGEST_WAIT: Final = 30.0
"""Seconds that a server's Retry-After is followed."""


def wait_seconds(attempts: int, asked: float | None = None) -> float:
    """Seconds until the next attempt: what the server asks for, else doubling with jitter.

    Args:
        attempts: How many failed so far.
        asked: What the server asks for.
    """
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - nothing secret hangs on it
    return min(
        LONGEST_WAIT, asked if asked is not None else FIRST_WAIT * 2 ** (attempts - 1) * jitter
    )
