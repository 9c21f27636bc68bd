"""Waiting for what other threads and processes do, on a machine where each of them may stand still.

A test that fails because a thread got no CPU for some seconds says nothing about the code. So tests
wait for what must happen far longer than a thread can stall, which costs time only if it never
happens; and what must be quick is tried again if it was slow, since a real fault is slow every time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["LONG", "least", "slowness", "soon", "until", "until_async"]

LONG = 120.0
"""Seconds after which something does not happen any more."""

WORK = 0.03
"""Seconds of work by which :func:`slowness` is measured: several turns at a processor."""


def soon(holds: Callable[[], object], seconds: float = LONG) -> bool:
    """Whether something becomes true."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def until(holds: Callable[[], object], seconds: float = LONG) -> None:
    """Wait until something becomes true, which it must."""
    assert soon(holds, seconds), f"it did not happen in {seconds:g} s"


async def until_async(holds: Callable[[], object], seconds: float = LONG) -> None:
    """:func:`until` for a coroutine: the event loop goes on."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen in {seconds:g} s"
        await asyncio.sleep(0.005)


def least(measure: Callable[[], float], limit: float, tries: int = 10) -> float:
    """Return the least of several measured times; stop at the first below the limit.

    In seconds of an idle machine: each time is divided by how many times slower this thread runs.
    """
    times: list[float] = []
    while len(times) < tries and (not times or times[-1] >= limit):
        slow = slowness()
        seconds = measure()
        times.append(seconds / max(slow, slowness()))
    return min(times)


def slowness() -> float:
    """How long this thread takes at the moment for a second's work, in seconds; at least 1."""
    began, ends = time.perf_counter(), time.thread_time() + WORK
    while time.thread_time() < ends:
        pass
    return max(1.0, (time.perf_counter() - began) / WORK)
