"""Passes frames from the reading process to the dispatcher: :class:`Inbox`."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from ...concurrency.frames import Frame
from .reading_child import ReadingChild

__all__ = ["Inbox", "ReadingEvent"]

MOST_BYTES: Final = 32 * 2**20
"""Most bytes of pages that wait to be stored; beyond that, the reading process has to wait."""

MOST_EVENTS: Final = 64
"""Most events that are handled together and stored in one transaction."""


@dataclass(frozen=True, slots=True)
class ReadingEvent:
    """A message of a reading process; ``frame`` is None for its end."""

    child: ReadingChild
    frame: Frame | None


class Inbox:
    """A queue that is bounded by the bytes in it. Threads may share one."""

    def __init__(self) -> None:
        self._events: deque[ReadingEvent] = deque()
        self._bytes = 0
        self._awake = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, child: ReadingChild, frame: Frame | None) -> None:
        """Add an event, as soon as there is room for it."""
        size = len(frame.body) if frame is not None else 0
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._bytes or self._bytes + size <= MOST_BYTES
            )
            self._events.append(ReadingEvent(child, frame))
            self._bytes += size
            self._changed.notify_all()

    def wake(self) -> None:
        """Make :meth:`take` return at once."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def take(self, seconds: float) -> list[ReadingEvent]:
        """The next events; empty if nothing comes for this many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._awake or self._closed, seconds)
            self._awake = False
            taken = [self._events.popleft() for _ in range(min(len(self._events), MOST_EVENTS))]
            self._bytes -= sum(len(each.frame.body) for each in taken if each.frame is not None)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Let all waiting calls return."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
