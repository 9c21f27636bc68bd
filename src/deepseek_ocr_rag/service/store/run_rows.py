"""The rows of jobs as the reading process works on them: claim, lease, pages, end.

A job that is read has a lease: the name of the reading process that may store its pages. Only
the holder of the lease can change it, so that a process that was given up cannot change anything,
and a cancelled job stays as it is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..jobs import JobError, JobState
from .job_values import error_json

__all__ = [
    "FinishedPage",
    "WaitingOwner",
    "add_page",
    "beat",
    "claim_job",
    "end_job",
    "is_complete",
    "note_opened",
    "put_back",
    "recover_jobs",
    "waiting_owners",
]


@dataclass(frozen=True, slots=True)
class FinishedPage:
    """A page as it comes from the reading process.

    Attributes:
        number: 1-based, in the file.
        content: The page as JSON.
        failed: Whether it could not be read.
        headings: The headings that are open at its end, as JSON.
    """

    number: int
    content: str
    failed: bool
    headings: str


@dataclass(frozen=True, slots=True)
class WaitingOwner:
    """A key that has jobs to start.

    Attributes:
        owner: Its name.
        rank: Lowest rank of its jobs.
        fresh: Whether no page of that job has been read yet.
    """

    owner: str
    rank: int
    fresh: bool


def waiting_owners(connection: sqlite3.Connection, now: float) -> list[WaitingOwner]:
    """The keys that have jobs to start."""
    rows = connection.execute(
        "SELECT owner, min(rank) AS rank, number FROM jobs"
        " WHERE state = 'queued' AND not_before <= ? GROUP BY owner",
        (now,),
    )
    return [WaitingOwner(row["owner"], row["rank"], row["rank"] == row["number"]) for row in rows]


_NEXT: Final = (
    "UPDATE jobs SET state = 'running', lease = ?1, heartbeat = ?2, version = version + 1,"
    " started = coalesce(started, ?2) WHERE number = (SELECT number FROM jobs"
    " WHERE state = 'queued' AND owner = ?3 AND not_before <= ?2 ORDER BY rank, number LIMIT 1)"
    " RETURNING *"
)
_ONE: Final = (
    "UPDATE jobs SET state = 'running', lease = ?1, heartbeat = ?2, version = version + 1,"
    " started = coalesce(started, ?2) WHERE number = ?3 AND state = 'queued' RETURNING *"
)


def claim_job(
    connection: sqlite3.Connection, chosen: str | int, lease: str, now: float
) -> sqlite3.Row | None:
    """Take the next job of a key, or the one with a number, for reading; None if there is none."""
    statement = _NEXT if isinstance(chosen, str) else _ONE
    row: sqlite3.Row | None = connection.execute(statement, (lease, now, chosen)).fetchone()
    return row


def note_opened(
    connection: sqlite3.Connection, job: int, lease: str, total: int, document_pages: int
) -> bool:
    """Note how many pages there are to read; False if the lease is not valid any more."""
    changed = connection.execute(
        "UPDATE jobs SET pages_total = coalesce(pages_total, ?),"
        " document_pages = coalesce(document_pages, ?), version = version + 1,"
        " suspects = json_remove(suspects, '$.\"0\"') WHERE number = ? AND lease = ?",
        (total, document_pages, job, lease),
    )
    return changed.rowcount == 1


def add_page(
    connection: sqlite3.Connection, job: int, lease: str, page: FinishedPage, now: float
) -> bool:
    """Store a page; False if the lease is not valid any more."""
    row = connection.execute(
        "UPDATE jobs SET pages_done = pages_done + 1, pages_failed = pages_failed + ?,"
        " retries = 0, heartbeat = ?, headings = ?, version = version + 1,"
        " suspects = json_remove(suspects, ?)"
        " WHERE number = ? AND lease = ? RETURNING pages_done",
        (page.failed, now, page.headings, f'$."{page.number}"', job, lease),
    ).fetchone()
    if row is None:
        return False
    connection.execute(
        "INSERT INTO pages (job, page, sequence, failed, stored, content)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (job, page.number, row["pages_done"], page.failed, now, page.content),
    )
    return True


def is_complete(connection: sqlite3.Connection, job: int) -> bool:
    """Whether all pages of a job are stored."""
    row = connection.execute(
        "SELECT pages_done >= pages_total FROM jobs WHERE number = ?", (job,)
    ).fetchone()
    return row is not None and bool(row[0])


def end_job(
    connection: sqlite3.Connection,
    job: int,
    lease: str,
    error: JobError | None,
    times: tuple[float, float],
) -> bool:
    """End a job whose pages are all stored, or that failed; ``times``: now, and its expiry."""
    row = connection.execute(
        "SELECT pages_done, pages_failed, name FROM jobs WHERE number = ? AND lease = ?",
        (job, lease),
    ).fetchone()
    if row is None:
        return False
    failed = row["pages_failed"]
    state = JobState.SUCCEEDED
    if error is not None:
        state = JobState.PARTIAL if row["pages_done"] > failed else JobState.FAILED
    elif failed:
        state = JobState.PARTIAL if row["pages_done"] > failed else JobState.FAILED
        error = _first_failure(connection, job)
    connection.execute(
        "UPDATE jobs SET state = ?, error = ?, lease = NULL, secrets = NULL, ended = ?,"
        " expires = ?, suspects = '{}', version = version + 1 WHERE number = ?",
        (state.value, error_json(error), *times, job),
    )
    connection.execute("UPDATE callbacks SET due = ? WHERE job = ?", (times[0], job))
    return True


def put_back(
    connection: sqlite3.Connection,
    job: int,
    lease: str,
    *,
    not_before: float = 0.0,
    retry: bool = False,
    suspects: Mapping[str, int] | None = None,
) -> bool:
    """Let a job wait again; it goes on at the first page that is not stored.

    Its rank grows with its pages, so that a long job lets shorter ones pass, but not for ever.
    """
    changed = connection.execute(
        "UPDATE jobs SET state = 'queued', lease = NULL, rank = number + pages_done,"
        " not_before = ?, retries = retries + ?, suspects = coalesce(?, suspects),"
        " version = version + 1 WHERE number = ? AND lease = ?",
        (not_before, retry, None if suspects is None else json.dumps(suspects), job, lease),
    )
    return changed.rowcount == 1


def recover_jobs(connection: sqlite3.Connection, lease: str | None, before: float) -> list[str]:
    """Let jobs wait again if they have another lease, and no heartbeat after the time ``before``."""
    rows = connection.execute(
        "UPDATE jobs SET state = 'queued', lease = NULL, rank = number + pages_done,"
        " version = version + 1"
        " WHERE state = 'running' AND lease IS NOT ? AND heartbeat < ? RETURNING id",
        (lease, before),
    )
    return [row["id"] for row in rows.fetchall()]


def beat(connection: sqlite3.Connection, lease: str, now: float) -> None:
    """Renew the leases of a reading process."""
    connection.execute(
        "UPDATE jobs SET heartbeat = ? WHERE state = 'running' AND lease = ?", (now, lease)
    )


def _first_failure(connection: sqlite3.Connection, job: int) -> JobError:
    row = connection.execute(
        "SELECT page, json_extract(content, '$.error') AS error FROM pages"
        " WHERE job = ? AND failed ORDER BY page LIMIT 1",
        (job,),
    ).fetchone()
    return JobError("BackendError", row["error"] or "the page could not be read", page=row["page"])
