"""Estimates the position of each waiting job, and when it will end: :class:`QueueOrder`."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Final

from .database import Database

__all__ = ["Order", "QueueOrder"]

FRESH_SECONDS: Final = 1.0
"""Seconds for which an order is used; sorting 10,000 jobs takes some milliseconds."""

USUAL_PAGES: Final = 10.0
"""Pages assumed for a job about which nothing is known."""


@dataclass(frozen=True, slots=True)
class Order:
    """Positions (1 is next) and seconds to the end, by job id."""

    positions: Mapping[str, int] = field(default_factory=dict)
    eta: Mapping[str, float] = field(default_factory=dict)


class QueueOrder:
    """The order in which waiting jobs will be started, as far as it can be known.

    Keys take turns; the jobs of a key are started by rank. Threads may share one.

    Args:
        database: Where the jobs are.
        speed: Pages a second at the moment; 0 if that is unknown.
    """

    def __init__(self, database: Database, speed: Callable[[], float]) -> None:
        self._database = database
        self._speed = speed
        self._lock = threading.Lock()
        self._order = Order()
        self._made = -FRESH_SECONDS

    @property
    def fresh(self) -> bool:
        """Whether the next :meth:`now` has nothing to sort."""
        return time.monotonic() - self._made < FRESH_SECONDS

    def now(self) -> Order:
        """The order, at most a second old."""
        with self._lock:
            if not self.fresh:
                self._order = self._database.read(self._sorted)
                self._made = time.monotonic()
            return self._order

    def add(self, job_id: str) -> Order:
        """Add a job that was just submitted, and return the order."""
        order = self.now()
        if job_id in order.positions:
            return order
        return Order({job_id: len(order.positions) + 1})

    def _sorted(self, connection: sqlite3.Connection) -> Order:
        waiting = connection.execute(
            "SELECT id, owner, coalesce(pages_total, 0) - pages_done AS left FROM jobs"
            " WHERE state = 'queued' ORDER BY owner, rank, number"
        ).fetchall()
        queues: dict[str, list[sqlite3.Row]] = {}
        for row in waiting:
            queues.setdefault(row["owner"], []).append(row)
        rounds = chain.from_iterable(zip_longest(*queues.values()))
        ordered = [row for row in rounds if row is not None]
        positions = {row["id"]: index for index, row in enumerate(ordered, 1)}
        speed = self._speed()
        if not speed:
            return Order(positions)
        usual = connection.execute(
            "SELECT avg(pages_total) FROM (SELECT pages_total FROM jobs"
            " WHERE pages_total IS NOT NULL ORDER BY number DESC LIMIT 100)"
        ).fetchone()[0]
        running = connection.execute(
            "SELECT id, max(coalesce(pages_total, ?) - pages_done, 1) AS left FROM jobs"
            " WHERE state = 'running'",
            (usual or USUAL_PAGES,),
        ).fetchall()
        return Order(positions, _times(running, ordered, usual or USUAL_PAGES, speed))


def _times(
    running: list[sqlite3.Row], waiting: list[sqlite3.Row], usual: float, speed: float
) -> dict[str, float]:
    # Running jobs share the speed: the last one ends when the pages of all are read, those with
    # fewer pages earlier.
    eta = {row["id"]: row["left"] * len(running) / speed for row in running}
    pages = float(sum(row["left"] for row in running))
    eta = {key: min(seconds, pages / speed) for key, seconds in eta.items()}
    for row in waiting:
        pages += row["left"] if row["left"] > 0 else usual
        eta[row["id"]] = pages / speed
    return eta
