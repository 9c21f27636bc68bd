"""Adapts the number of pages in a batch to the memory of the device."""

from __future__ import annotations

from typing import Final

__all__ = ["BatchSize"]

MOST_PATIENCE: Final = 64
"""Most batches that must succeed before a larger one is tried."""


class BatchSize:
    """The size of the next batch: halved when memory runs out, doubled after enough successes.

    Every failure doubles how many batches must succeed before a larger one is tried, so that a
    small card loses little time on failed attempts.
    """

    def __init__(self, most: int) -> None:
        self.now = most
        self._most = most
        self._patience = 1
        self._good = 0

    def failed(self, size: int) -> None:
        """Note that a batch of that size did not fit."""
        self.now = max(1, size // 2)
        self._good = 0
        self._patience = min(2 * self._patience, MOST_PATIENCE)

    def succeeded(self, size: int) -> None:
        """Note that a batch of that size fit."""
        if size < self.now or self.now >= self._most:
            return
        self._good += 1
        if self._good >= self._patience:
            self.now = min(2 * self.now, self._most)
            self._good = 0
