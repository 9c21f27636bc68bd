"""Decides which job is read next, and which one makes room: :class:`Turns`."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable

from ..service_limits import ServiceLimits
from ..store.database import Database
from ..store.run_rows import WaitingOwner, claim_job, put_back, waiting_owners
from .running_job import RunningJob

__all__ = ["Turns"]

DISPLACE_SECONDS = 0.05
"""Seconds between two checks whether a job should make room."""


class Turns:
    """Fair order: among keys first, and among the jobs of a key by rank.

    A key with fewer running jobs comes first. The rank of a job is its number in the order of
    submission plus its finished pages. So short jobs that were sent soon after a long one overtake
    it, but it never waits for ever.

    Args:
        database: Where the jobs are.
        limits: How many jobs are read at once, and how many pages a turn has.
    """

    def __init__(self, database: Database, limits: ServiceLimits) -> None:
        self._database = database
        self._limits = limits
        self._begun: dict[str, float] = {}
        self._reserved: int | None = None
        self._looked = 0.0

    def claim(self, running: Collection[RunningJob], lease: str) -> sqlite3.Row | None:
        """Take the next job for reading; None if none is waiting, or there is no room for it."""
        if len(running) >= self._limits.jobs_at_once or any(job.alone for job in running):
            return None
        if self._reserved is not None:
            if running:
                return None
            reserved, self._reserved = self._reserved, None
            row = self._claim(reserved, lease)
            if row is not None:
                return row
        best = self._best(running)
        return None if best is None else self._claim(best.owner, lease)

    def begin(self, job: RunningJob) -> None:
        """Note that a job begins its turn."""
        self._begun[job.owner] = time.monotonic()

    def reserve(self, job: RunningJob, lease: str) -> None:
        """Put a job that must be read alone back into the queue; the others make room for it."""
        self._database.write(lambda connection: put_back(connection, job.number, lease))
        self._reserved = job.number

    def displaced(self, running: Collection[RunningJob]) -> Iterable[RunningJob]:
        """The jobs that make room for a waiting one after their current page."""
        if self._reserved is not None:
            return tuple(running)
        now = time.monotonic()
        if len(running) < self._limits.jobs_at_once or now - self._looked < DISPLACE_SECONDS:
            return ()
        self._looked = now
        if any(job.stopping for job in running):
            return ()  # its room is not free yet
        best = self._best(running)
        if best is None:
            return ()
        share = Counter(job.owner for job in running)
        ripe = [
            job
            for job in running
            if job.served >= (1 if best.fresh else self._limits.turn_pages)
            and (job.rank > best.rank or share[job.owner] > share[best.owner] + 1)
        ]
        return (max(ripe, key=lambda job: (share[job.owner], job.rank)),) if ripe else ()

    def _claim(self, chosen: str | int, lease: str) -> sqlite3.Row | None:
        now = time.time()
        return self._database.write(lambda connection: claim_job(connection, chosen, lease, now))

    def _best(self, running: Iterable[RunningJob]) -> WaitingOwner | None:
        now = time.time()
        owners = self._database.read(lambda connection: waiting_owners(connection, now))
        share = Counter(job.owner for job in running)

        def order(each: WaitingOwner) -> tuple[int, float, int]:
            return share[each.owner], self._begun.get(each.owner, 0.0), each.rank

        return min(owners, key=order, default=None)
