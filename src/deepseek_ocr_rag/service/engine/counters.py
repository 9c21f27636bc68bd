"""Counts what was read since this process began: :class:`Counters`."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Counters"]

WINDOW_SECONDS: Final = 60


class Rate:
    """Counts events in each second of the last minute."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def add(self, count: int) -> None:
        """Count some events now."""
        now = int(time.monotonic())
        if self._seconds and self._seconds[-1][0] == now:
            count += self._seconds.pop()[1]
        self._seconds.append((now, count))
        while self._seconds[0][0] < now - WINDOW_SECONDS:
            self._seconds.popleft()

    @property
    def per_second(self) -> float:
        """Events of the last minute, divided by the seconds since the first; 0 without any."""
        now = time.monotonic()
        recent = [each for each in tuple(self._seconds) if each[0] >= now - WINDOW_SECONDS]
        if not recent:
            return 0.0
        return sum(count for _, count in recent) / max(1.0, now - recent[0][0])


@dataclass(slots=True)
class Counters:
    """Counters that the dispatcher writes and any thread reads; see :class:`QueueStats`."""

    pages_read: int = 0
    pages_failed: int = 0
    attempts: int = 0
    loops: int = 0
    page_seconds: float = 0.0
    pages_timed: int = 0
    engine_starts: int = 0
    engine_deaths: int = 0
    last_event: float | None = None
    tokens: int | None = None
    gpu_memory: int | None = None
    _pages: Rate = field(default_factory=Rate)
    _tokens: Rate = field(default_factory=Rate)

    def count_page(self, message: dict[str, Any], seconds: float | None) -> None:
        """Count a stored page and, if known, the time that it took."""
        self.pages_read += 1
        self.pages_failed += message["failed"]
        self.attempts += message["attempts"]
        self.loops += message["looped"]
        if seconds is not None:
            self.page_seconds += seconds
            self.pages_timed += 1
        self._pages.add(1)
        self.gpu_memory = message["gpu_memory"]
        if message["tokens"] is not None:
            self.tokens = (self.tokens or 0) + message["tokens"]
            self._tokens.add(message["tokens"])

    @property
    def pages_per_second(self) -> float:
        """Pages of the last minute, divided by the seconds since the first; 0 without any."""
        return self._pages.per_second

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of the last minute, likewise; None if the backend does not count them."""
        return None if self.tokens is None else self._tokens.per_second
