"""Stops comparing when the time is up, even within a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["NO_LIMIT", "OutOfTimeError", "TimeLimit"]


class OutOfTimeError(Exception):
    """The time for comparing is up; caught where a sentence gets its status."""


class TimeLimit:
    """A budget of time that runs only while something is compared.

    Code that compares a sentence calls :meth:`check` in its loops, because one sentence of 2,000
    characters with many numbers can take minutes.

    Args:
        seconds: The budget; None for no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = seconds
        self._end: float | None = None  # only while the time runs

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time that the body of the ``with`` statement takes.

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
        """Raise an error if the time is up while it is counted.

        Raises:
            OutOfTimeError: If no time is left.
        """
        if self._end is not None and time.monotonic() >= self._end:
            raise OutOfTimeError


NO_LIMIT: Final = TimeLimit()
