"""Reads and writes the rows of jobs for their owners: submit, find, list, cancel, remove."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...errors import (
    IdempotencyError,
    JobEndedError,
    JobExpiredError,
    JobNotFoundError,
    QueueFullError,
    QuotaError,
)
from ..jobs import JobOptions, JobState, Upload
from .job_values import options_json, secrets_json, target_json
from .upload_rows import ID_BYTES, delete_upload

__all__ = [
    "Submission",
    "add_job",
    "cancel_job",
    "count_states",
    "expired_jobs",
    "find_job",
    "list_jobs",
    "remove_job",
    "same_request",
]

RETRY_SECONDS: Final = 30.0
"""Seconds after which to try again if the queue is full."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a job: a document, how to read it, and its idempotency key."""

    upload: Upload
    options: JobOptions
    idempotency_key: str | None
    digest: str


def same_request(
    connection: sqlite3.Connection, owner: str, key: str, digest: str
) -> sqlite3.Row | None:
    """The job that this idempotency key made, if any.

    Raises:
        IdempotencyError: If the key was used with another request.
    """
    row: sqlite3.Row | None = connection.execute(
        "SELECT digest, jobs.* FROM idempotency JOIN jobs ON jobs.number = idempotency.job"
        " WHERE idempotency.owner = ? AND key = ?",
        (owner, key),
    ).fetchone()
    if row is not None and row["digest"] != digest:
        raise IdempotencyError(
            "this idempotency key was used with another request",
            remedy="Send the same request again, or use a new key.",
        )
    return row


def add_job(
    connection: sqlite3.Connection, wanted: Submission, limits: tuple[float, float], now: float
) -> sqlite3.Row:
    """Add a waiting job; ``limits`` are how many jobs may wait in all, and of its key.

    Raises:
        QueueFullError, QuotaError: If that many are waiting already.
    """
    upload = wanted.upload
    _check_waiting(connection, upload.owner, limits)
    cursor = connection.execute(
        "INSERT INTO jobs (id, owner, state, upload, name, media_type, sha256, size, options,"
        " secrets, created) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            secrets.token_urlsafe(ID_BYTES),
            upload.owner,
            upload.id,
            wanted.options.name or upload.name,
            upload.media_type,
            upload.sha256,
            upload.size,
            options_json(wanted.options),
            secrets_json(wanted.options),
            now,
        ),
    )
    number = cursor.lastrowid
    if wanted.idempotency_key is not None:
        connection.execute(
            "INSERT INTO idempotency (owner, key, digest, job) VALUES (?, ?, ?, ?)",
            (upload.owner, wanted.idempotency_key, wanted.digest, number),
        )
    if wanted.options.callback is not None:
        connection.execute(
            "INSERT INTO callbacks (job, target, due) VALUES (?, ?, 9e15)",
            (number, target_json(wanted.options.callback)),
        )
    row: sqlite3.Row = connection.execute(
        "UPDATE jobs SET rank = number WHERE number = ? RETURNING *", (number,)
    ).fetchone()
    return row


def _check_waiting(connection: sqlite3.Connection, owner: str, limits: tuple[float, float]) -> None:
    # Each is one index lookup.
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM jobs WHERE state = 'queued'),"
        " (SELECT count(*) FROM jobs WHERE state = 'queued' AND owner = ?)",
        (owner,),
    ).fetchone()
    error: QueueFullError | QuotaError
    if counts[0] >= limits[0]:
        error = QueueFullError(
            f"{counts[0]} jobs wait already", remedy="Try again when some of them have ended."
        )
    elif counts[1] >= limits[1]:
        error = QuotaError(
            f"{counts[1]} jobs of this key wait already",
            remedy="Try again when some of them have ended.",
        )
    else:
        return
    error.retry_after = RETRY_SECONDS
    raise error


def find_job(connection: sqlite3.Connection, owner: str, job_id: str) -> sqlite3.Row:
    """A job of a key.

    Raises:
        JobNotFoundError: If it never existed, or belongs to another key.
        JobExpiredError: If it was removed.
    """
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM jobs WHERE id = ? AND owner = ?", (job_id, owner)
    ).fetchone()
    if row is not None:
        return row
    gone = connection.execute(
        "SELECT 1 FROM tombstones WHERE id = ? AND owner = ?", (job_id, owner)
    ).fetchone()
    if gone is not None:
        raise JobExpiredError(
            "the job and its result were removed", remedy="Send the document again."
        )
    raise JobNotFoundError("there is no such job", remedy="Check the id and the key.")


def list_jobs(
    connection: sqlite3.Connection,
    owner: str,
    states: Sequence[JobState],
    below: int,
    limit: int,
) -> list[sqlite3.Row]:
    """Jobs of a key, newest first, with numbers under ``below``."""
    chosen = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
    return connection.execute(
        f"SELECT * FROM jobs WHERE owner = ? AND number < ?{chosen}"  # noqa: S608 - question marks
        " ORDER BY number DESC LIMIT ?",
        (owner, below, *(state.value for state in states), limit),
    ).fetchall()


def cancel_job(
    connection: sqlite3.Connection, owner: str, job_id: str, times: tuple[float, float]
) -> sqlite3.Row:
    """Cancel a job; from then on, no page of it can be stored. ``times`` are now and its expiry.

    Raises:
        JobEndedError: If it has ended.
    """
    row = find_job(connection, owner, job_id)
    if JobState(row["state"]).ended:
        raise JobEndedError(
            f"the job has ended already: {row['state']}", remedy="Delete it, if it is not wanted."
        )
    connection.execute("UPDATE callbacks SET due = ? WHERE job = ?", (times[0], row["number"]))
    cancelled: sqlite3.Row = connection.execute(
        "UPDATE jobs SET state = 'cancelled', lease = NULL, secrets = NULL, ended = ?,"
        " expires = ?, version = version + 1 WHERE number = ? RETURNING *",
        (*times, row["number"]),
    ).fetchone()
    return cancelled


def remove_job(connection: sqlite3.Connection, job_id: str, now: float) -> list[str]:
    """Remove all rows of a job except its tombstone; return the hashes of files to check."""
    row = connection.execute(
        "DELETE FROM jobs WHERE id = ? RETURNING owner, upload, sha256", (job_id,)
    ).fetchone()
    if row is None:
        return []
    connection.execute(
        "INSERT OR REPLACE INTO tombstones (id, owner, removed) VALUES (?, ?, ?)",
        (job_id, row["owner"], now),
    )
    others = connection.execute(
        "SELECT 1 FROM jobs WHERE owner = ? AND upload = ?", (row["owner"], row["upload"])
    ).fetchone()
    if others is None:
        delete_upload(connection, row["upload"])
    return [row["sha256"]]


def expired_jobs(connection: sqlite3.Connection, now: float, limit: int) -> list[str]:
    """The ids of jobs whose results have expired."""
    rows = connection.execute(
        "SELECT id FROM jobs WHERE expires <= ? ORDER BY expires LIMIT ?", (now, limit)
    )
    return [row["id"] for row in rows]


def count_states(connection: sqlite3.Connection) -> dict[JobState, int]:
    """How many jobs are in each state."""
    counts = dict.fromkeys(JobState, 0)
    for row in connection.execute("SELECT state, count(*) AS jobs FROM jobs GROUP BY state"):
        counts[JobState(row["state"])] = row["jobs"]
    return counts
