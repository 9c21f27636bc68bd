"""Stores events of the reading process: a page, the end of a job, the end of the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ...concurrency.frames import Frame
from ...document.types import Page
from ...errors import EngineLostError
from ...reading.cached_pages import page_to_json
from ..store.run_rows import (
    FinishedPage,
    add_page,
    end_job,
    is_complete,
    note_opened,
    put_back,
)
from .frame_values import error_of, error_values
from .running_job import RunningJob

__all__ = ["DeathReport", "Times", "store_death", "store_event"]

RETRY_SECONDS: Final = (1.0, 5.0, 25.0)
"""Pauses after an error that is not the document's fault; after the last one, the job fails."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since 1970: now, and when a job that ends now expires."""

    now: float
    expires: float

    @property
    def both(self) -> tuple[float, float]:
        """Both, in the order that the queries expect."""
        return self.now, self.expires


@dataclass(frozen=True, slots=True)
class DeathReport:
    """How the reading process ended.

    Attributes:
        how: How it ended, in words.
        guilty: Keys of the jobs whose pages may have caused this.
        page_deaths: How often it may end on the same page before the page counts as failed.
        backend: Name of the backend.
        model: Name of the model.
    """

    how: str
    guilty: Collection[int]
    page_deaths: int
    backend: str
    model: str


def store_event(
    connection: sqlite3.Connection, job: RunningJob, lease: str, frame: Frame, times: Times
) -> bool:
    """Store a frame of a job, if the lease is still valid; return whether the job changed."""
    message = frame.message
    if "page" in message:
        page = FinishedPage(
            message["page"],
            str(frame.body, "ascii"),
            message["failed"],
            json.dumps(message["headings"]),
        )
        return add_page(connection, job.number, lease, page, times.now)
    if "opened" in message:
        return note_opened(connection, job.number, lease, *message["opened"])
    if "end" in message:
        return _store_end(connection, job, lease, message, times)
    return False


def _store_end(
    connection: sqlite3.Connection,
    job: RunningJob,
    lease: str,
    message: dict[str, Any],
    times: Times,
) -> bool:
    if is_complete(connection, job.number):
        return end_job(connection, job.number, lease, None, times.both)
    if message["end"] != "failed":
        return put_back(connection, job.number, lease)
    retries: int = connection.execute(
        "SELECT retries FROM jobs WHERE number = ?", (job.number,)
    ).fetchone()[0]
    if message["passing"] and retries < len(RETRY_SECONDS):
        later = times.now + RETRY_SECONDS[retries]
        return put_back(connection, job.number, lease, not_before=later, retry=True)
    return end_job(connection, job.number, lease, error_of(message["error"]), times.both)


def store_death(
    connection: sqlite3.Connection,
    jobs: Iterable[RunningJob],
    lease: str,
    report: DeathReport,
    times: Times,
) -> None:
    """Put the jobs that the reading process was working on when it ended back into the queue.

    A page on which it ended too often counts as failed, so that one page cannot end it again and
    again.
    """
    for job in jobs:
        suspects = job.suspects if job.key not in report.guilty else job.accused()
        deaths = {int(page): count for page, count in suspects.items()}
        worst = max(deaths, key=deaths.__getitem__, default=0)
        if deaths.get(worst, 0) < report.page_deaths or not job.alone:
            put_back(connection, job.number, lease, suspects=suspects)
        elif worst == 0:
            error = _lost(report, job, None)
            end_job(connection, job.number, lease, error_of(error_values(error)), times.both)
        else:
            add_page(connection, job.number, lease, _failed(report, job, worst), times.now)
            if is_complete(connection, job.number):
                end_job(connection, job.number, lease, None, times.both)
            else:
                put_back(connection, job.number, lease)


def _failed(report: DeathReport, job: RunningJob, number: int) -> FinishedPage:
    page = Page(
        number=number,
        backend=report.backend,
        model=report.model,
        finish_reason="error",
        error=str(_lost(report, job, number)),
    )
    return FinishedPage(number, page_to_json(page), failed=True, headings=job.row["headings"])


def _lost(report: DeathReport, job: RunningJob, number: int | None) -> EngineLostError:
    return EngineLostError(
        f"the reading process ended {report.page_deaths} times while it worked on this"
        f" {'page' if number else 'document'}; it {report.how}",
        source=job.row["name"],
        page=number,
        remedy="The service's log may say why. Other pages are not affected.",
    )
