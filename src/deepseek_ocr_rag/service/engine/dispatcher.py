"""Sends jobs to the reading process and stores the results: :class:`Dispatcher`."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ...errors import StoreError
from ..jobs import Readiness
from ..service_limits import ReaderSettings, ServiceLimits
from ..store.database import Database
from ..store.run_rows import beat, end_job, recover_jobs
from .counters import Counters
from .event_storing import DeathReport, Times, store_death, store_event
from .inbox import Inbox, ReadingEvent
from .running_job import RunningJob
from .supervisor import Supervisor
from .turns import Turns

__all__ = ["Dispatcher"]

CANCEL_SECONDS: Final = 1.0
"""Seconds for which the reading process may go on with a cancelled job before it is ended."""

LOOK_SECONDS: Final = 0.2
BEAT_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 30.0
DAY: Final = 86_400.0

_log = logging.getLogger("deepseek_ocr_rag")


class Dispatcher:
    """One thread that claims jobs, supervises the reading process, and stores pages.

    Args:
        database: Where the jobs are.
        settings: How to read.
        limits: How much to read at once, and for how long.
        file_of: Returns the file of the document with a hash.
        changed: Called with the ids of changed jobs, after the change was stored.
    """

    def __init__(
        self,
        database: Database,
        settings: ReaderSettings,
        limits: ServiceLimits,
        file_of: Callable[[str], Path],
        changed: Callable[[Iterable[str]], object],
    ) -> None:
        self.counters = Counters()
        self._database = database
        self._limits = limits
        self._file_of = file_of
        self._changed = changed
        self._inbox = Inbox()
        self._supervisor = Supervisor(settings, self._inbox.put, self.counters)
        self._turns = Turns(database, limits)
        self._running: dict[int, RunningJob] = {}
        self._keys = itertools.count(1)
        self._to_cancel: set[str] = set()
        self._lock = threading.Lock()
        self._draining = self._closing = False
        self._idle = threading.Event()
        self._problem: StoreError | None = None
        self._beaten = 0.0
        self._thread = threading.Thread(target=self._run, name="dsocr-dispatcher", daemon=True)

    def start(self) -> None:
        """Return the jobs that an earlier process was reading to the queue, and begin."""
        self._database.write(lambda each: recover_jobs(each, None, float("inf")))
        self._thread.start()

    def wake(self) -> None:
        """Check the queue now."""
        self._inbox.wake()

    def cancel(self, job_id: str) -> None:
        """Stop reading a job that is already stored as cancelled."""
        with self._lock:
            self._to_cancel.add(job_id)
        self._inbox.wake()

    def drain(self, seconds: float) -> None:
        """Start no more jobs, and wait until those being read are back in the queue."""
        self._draining = True
        self._inbox.wake()
        if self._thread.is_alive():
            self._idle.wait(seconds)

    def close(self) -> None:
        """End the thread and the reading process."""
        self._draining = self._closing = True
        self._inbox.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._supervisor.close()
        with suppress(StoreError):
            self._database.write(lambda each: recover_jobs(each, None, float("inf")))

    def readiness(self) -> Readiness:
        """Whether pages can be read now."""
        if self._draining:
            return Readiness(ready=False, reason="the service is being stopped")
        if self._problem is not None:
            return Readiness(ready=False, reason=str(self._problem))
        if not self._thread.is_alive():
            return Readiness(ready=False, reason="the service has not been started")
        return self._supervisor.readiness()

    @property
    def failing(self) -> str | None:
        """Why the reading process does not start, if it failed several times; else None."""
        return self._supervisor.failing

    @property
    def engine_pid(self) -> int | None:
        """Process id of the reading process; None while there is none."""
        return self._supervisor.pid

    # --- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        events: list[ReadingEvent] = []
        while not self._closing:
            events = events or self._inbox.take(LOOK_SECONDS)
            try:
                self._handle(events)
                events = []
                self._cancel_jobs()
                self._check_times()
                self._dispatch()
                self._problem = None
            except StoreError as error:
                # Nothing is lost, because the events are kept and the reading process has to wait.
                if self._problem is None:
                    _log.error("the jobs cannot be stored: %s", error)
                self._problem = error
                for job in self._running.values():
                    job.heard = time.monotonic()
                time.sleep(LOOK_SECONDS)
            except Exception:  # noqa: BLE001 - logged
                # A bug of ours must not stop the queue; the jobs go back into it.
                _log.exception("the queue failed, and goes on with a new reading process")
                events = []
                self._supervisor.kill()
                time.sleep(LOOK_SECONDS)

    def _times(self) -> Times:
        now = time.time()
        return Times(now, now + self._limits.result_days * DAY)

    def _handle(self, events: list[ReadingEvent]) -> None:
        ours = [each for each in events if self._supervisor.is_current(each.child)]
        frames = [
            (self._running[key], each.frame)
            for each in ours
            if each.frame is not None and (key := each.frame.message.get("job")) in self._running
        ]
        lease = self._supervisor.lease
        if frames:
            times = self._times()

            def store(connection: sqlite3.Connection) -> set[str]:
                return {
                    job.id
                    for job, frame in frames
                    if store_event(connection, job, lease, frame, times)
                }

            if any({"page", "opened", "end"} & frame.message.keys() for _, frame in frames):
                self._changed(self._database.write(store))
        now = time.monotonic()
        for job, frame in frames:
            seconds = job.hear(frame.message, now)
            if "page" in frame.message:
                self.counters.count_page(frame.message, seconds)
                self._supervisor.works()
            elif "end" in frame.message:
                self._running.pop(job.key, None)
                if job.row["secrets"] is not None:
                    self._database.forget_deleted()
        for each in ours:
            if each.frame is None:
                self._bury()
            else:
                self._supervisor.hear(each.frame.message)

    def _bury(self) -> None:
        """The reading process has ended: put the jobs that it was reading back into the queue."""
        jobs = tuple(self._running.values())
        lease = self._supervisor.lease
        report = DeathReport(
            self._supervisor.describe_end(),
            self._supervisor.guilty(jobs),
            self._limits.page_deaths,
            *self._supervisor.names,
        )
        times = self._times()
        self._database.write(lambda each: store_death(each, jobs, lease, report, times))
        self._running.clear()
        self.counters.gpu_memory = None
        self._supervisor.bury(report.how, unasked=bool(report.guilty) or not jobs)
        self._changed({job.id for job in jobs})

    def _cancel_jobs(self) -> None:
        with self._lock:
            cancelled, self._to_cancel = self._to_cancel, set()
        for job in self._running.values():
            if job.id in cancelled and job.stopping != "cancel":
                job.stopping = "cancel"
                job.deadline = time.monotonic() + CANCEL_SECONDS
                self._supervisor.request({"do": "cancel", "job": job.key})

    def _check_times(self) -> None:
        now = time.monotonic()
        jobs = tuple(self._running.values())
        late = [job for job in jobs if job.deadline is not None and job.deadline <= now]
        if late:
            self._supervisor.kill()
        hung = self._supervisor.hung(jobs, self._limits.hang_seconds)
        if hung is not None:
            _log.warning("the reading process hangs, and is started again")
            self._supervisor.kill(guilty=hung)
        if now - self._beaten >= BEAT_SECONDS:
            self._beaten = now
            lease = self._supervisor.lease

            def renew(connection: sqlite3.Connection) -> list[str]:
                beat(connection, lease, time.time())
                return recover_jobs(connection, lease, time.time() - LEASE_SECONDS)

            if jobs:
                self._changed(self._database.write(renew))

    def _dispatch(self) -> None:
        if self._draining:
            self._pause(self._running.values())
            if not self._running:
                self._idle.set()
            return
        if not self._supervisor.ensure_running():
            return
        while (
            row := self._turns.claim(self._running.values(), self._supervisor.lease)
        ) is not None:
            self._changed({row["id"]})
            job = RunningJob.of(row, next(self._keys), self._limits.page_deaths)
            if job.pages == []:
                times = self._times()
                lease = self._supervisor.lease
                self._database.write(
                    lambda each: end_job(each, job.number, lease, None, times.both)  # noqa: B023
                )
                self._changed({job.id})
            elif job.alone and self._running:
                self._turns.reserve(job, self._supervisor.lease)
            else:
                self._running[job.key] = job
                self._turns.begin(job)
                self._supervisor.request(job.request(str(self._file_of(row["sha256"]))))
        self._pause(self._turns.displaced(self._running.values()))

    def _pause(self, jobs: Iterable[RunningJob]) -> None:
        for job in jobs:
            if job.stopping is None:
                job.stopping = "pause"
                self._supervisor.request({"do": "pause", "job": job.key})
