"""Ends comparing when its time is over, also within one sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["NO_LIMIT", "OutOfTimeError", "TimeLimit"]


class OutOfTimeError(Exception):
    """The time for comparing is over; caught where a sentence gets its status."""


class TimeLimit:
    """Time that may be spent, counted only while something is compared.

    What compares a sentence calls :meth:`check` in its loops, because a sentence of 2,000 characters
    with a number in every fifth takes minutes by itself.

    Args:
        seconds: To spend; None for any.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = seconds
        self._end: float | None = None  # while time is counted

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time that its body takes.

        Raises:
            OutOfTimeError: If no time is left.
        """
        if self._left is None:
            yield
            return
        self._end = time.monotonic() + self._left
        try:
            self.check()
            yield
        finally:
            self._left = self._end - time.monotonic()
            self._end = None

    def check(self) -> None:
        """Go on if there is time left, or none is counted.

        Raises:
            OutOfTimeError: If there is none.
        """
        if self._end is not None and time.monotonic() >= self._end:
            raise OutOfTimeError


NO_LIMIT: Final = TimeLimit()
