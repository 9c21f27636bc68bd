"""Keeps the reading process running: :class:`Supervisor`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from ...concurrency.frames import Frame
from ..jobs import JobError, Readiness
from ..service_limits import ReaderSettings
from .counters import Counters
from .frame_values import error_of
from .reading_child import ReadingChild
from .running_job import RunningJob

__all__ = ["Supervisor"]

LONGEST_PAUSE: Final = 60.0
"""Most seconds between two starts of a reading process that dies again and again."""

FAILING_STARTS: Final = 3
"""After this many starts without any page, new jobs are refused."""

START_SECONDS: Final = 1800.0
"""Seconds that a start may take: loading a large model from a slow disk takes minutes."""

END_SECONDS: Final = 2.0

_log = logging.getLogger("deepseek_ocr_rag")


class Supervisor:
    """Starts the reading process, and restarts it whenever it has ended.

    Args:
        settings: How to read.
        on_frame: Gets the frames of the process, in a thread of its own.
        counters: Where starts and ends are counted.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        on_frame: Callable[[ReadingChild, Frame | None], object],
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._on_frame = on_frame
        self._counters = counters
        self._child: ReadingChild | None = None
        self._started: dict[str, str] | None = None
        self._error: str | None = None
        self._barren = 0
        self._not_before = 0.0
        self._guilty: Collection[int] | None = None

    @property
    def lease(self) -> str:
        """The name under which the process may store pages; "" if there is none."""
        return "" if self._child is None else self._child.lease

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    @property
    def names(self) -> tuple[str, str]:
        """The backend and its model; "" before it was started."""
        started = self._started or {}
        return started.get("backend", ""), started.get("model", "")

    @property
    def failing(self) -> str | None:
        """Why it does not start, if it failed several times; else None."""
        return self._error if self._barren >= FAILING_STARTS else None

    def readiness(self) -> Readiness:
        """Whether the process can read pages."""
        backend, model = self.names
        if self._child is not None and self._started is not None:
            return Readiness(ready=True, backend=backend, model=model)
        reason = self._error or "the reading process is starting"
        return Readiness(ready=False, reason=reason, backend=backend, model=model)

    def is_current(self, child: ReadingChild) -> bool:
        """Whether this is the process that runs now."""
        return child is self._child

    def ensure_running(self) -> bool:
        """Start the process if there is none; return whether it accepts jobs."""
        if self._child is None and time.monotonic() >= self._not_before:
            self._started, self._guilty = None, None
            try:
                self._child = ReadingChild(self._settings, self._on_frame)
            except OSError as error:
                self._fail(f"the reading process cannot be started ({error.strerror})")
            else:
                self._counters.engine_starts += 1
        return self._child is not None and self._started is not None and self._guilty is None

    def request(self, message: dict[str, Any]) -> None:
        """Send a request."""
        if self._child is not None:
            self._child.request(message)

    def hear(self, message: dict[str, Any]) -> None:
        """Note a message of the process."""
        self._counters.last_event = time.time()
        if "started" in message:
            self._started = message["started"]
            self._error = None
            _log.info("pages are read by %s (%s)", *self.names)
        elif "not_started" in message:
            self._error = _sentence(error_of(message["not_started"]))
            _log.error("the reading process does not start: %s", self._error)

    def works(self) -> None:
        """A page was stored, so the process may be restarted at once if it ends."""
        self._barren = 0

    def kill(self, guilty: Collection[int] = ()) -> None:
        """End the process; ``guilty`` are the keys of jobs that made it hang."""
        if self._child is not None and self._guilty is None:
            self._guilty = guilty
            self._child.kill()

    def guilty(self, jobs: Collection[RunningJob]) -> Collection[int]:
        """The keys of jobs whose pages may have caused the process to end."""
        return [job.key for job in jobs] if self._guilty is None else self._guilty

    def hung(self, jobs: Collection[RunningJob], seconds: float) -> Collection[int] | None:
        """The keys of jobs without any message for too long; None if there are none.

        If several jobs take turns, each of them may be silent for longer.
        """
        now = time.monotonic()
        if self._child is None or self._guilty is not None:
            return None
        if self._started is None:
            return () if now - self._child.begun > max(seconds, START_SECONDS) else None
        silent = [job for job in jobs if now - job.heard > seconds]
        if len(silent) == len(jobs):
            return [job.key for job in silent] or None
        return [job.key for job in silent if now - job.heard > seconds * len(jobs)] or None

    def describe_end(self) -> str:
        """How the process ended, in words."""
        return "" if self._child is None else self._child.describe_end()

    def bury(self, how: str, *, unasked: bool) -> None:
        """The process has ended; the next start is delayed if this happens often."""
        if self._child is not None:
            self._child.end()
        self._child = None
        if unasked:
            self._counters.engine_deaths += 1
            self._fail(self._error or f"the reading process {how}")
            _log.warning("the reading process %s", how)

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.end(END_SECONDS)
            self._child = None

    def _fail(self, reason: str) -> None:
        self._error = reason
        self._barren += 1
        pause = 0.0 if self._barren < 2 else 2.0 ** (self._barren - 2)
        self._not_before = time.monotonic() + min(pause, LONGEST_PAUSE)


def _sentence(error: JobError) -> str:
    return f"{error.message}. {error.remedy}" if error.remedy else error.message
