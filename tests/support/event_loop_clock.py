"""Lets a test set the clock of event loops ahead, so that a limit of minutes ends at once.

On a busy machine that stalls for seconds, a limit of half a second, short enough to wait for, would
end too early; a limit of minutes does not.
"""

from __future__ import annotations

import asyncio.base_events
import time
from types import SimpleNamespace
from typing import Any

import pytest

__all__ = ["MINUTES", "LoopClock", "loop_clock"]

MINUTES = 300.0
"""A limit for what the clock is set ahead for."""


class LoopClock:
    """Goes like any other, and jumps when it is told to."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        self._ahead += seconds

    def pass_until_left(self, exchange: Any) -> None:
        """Let minutes pass until the client of an exchange has left it.

        One jump is enough, unless the client heard the last words only after it. A second one that
        comes too soon would end the client's next request.
        """
        heard = 0.05
        while exchange.client_is_there() and exchange.wait(heard):
            self.jump(1.2 * MINUTES)
            heard = 15.0
        exchange.drop()


@pytest.fixture
def loop_clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """The clock of all event loops while a test runs."""
    clock = LoopClock()
    ours = SimpleNamespace(monotonic=clock.time, get_clock_info=time.get_clock_info)
    monkeypatch.setattr(asyncio.base_events, "time", ours)
    # How long a loop may sleep before it looks at the clock again.
    monkeypatch.setattr(asyncio.base_events, "MAXIMUM_SELECT_TIMEOUT", 0.02)
    return clock
