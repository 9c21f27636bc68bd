"""Reads and writes the rows of callbacks: ends of jobs that must be reported."""

from __future__ import annotations

import json
import sqlite3

from ..jobs import CallbackTarget, DueCallback

__all__ = ["callback_done", "callback_failed", "due_callbacks"]


def due_callbacks(
    connection: sqlite3.Connection, now: float, limit: int
) -> tuple[DueCallback, ...]:
    """The callbacks that are due, the longest overdue first."""
    rows = connection.execute(
        "SELECT jobs.id, jobs.owner, target, attempts, due FROM callbacks"
        " JOIN jobs ON jobs.number = callbacks.job WHERE due <= ? ORDER BY due LIMIT ?",
        (now, limit),
    )
    return tuple(
        DueCallback(
            row["id"],
            row["owner"],
            CallbackTarget(**json.loads(row["target"])),
            row["attempts"],
            row["due"],
        )
        for row in rows
    )


def callback_done(connection: sqlite3.Connection, job_id: str) -> None:
    """Forget a callback."""
    connection.execute(
        "DELETE FROM callbacks WHERE job = (SELECT number FROM jobs WHERE id = ?)", (job_id,)
    )


def callback_failed(connection: sqlite3.Connection, job_id: str, retry_at: float) -> None:
    """Count a failure, and store when to try again."""
    connection.execute(
        "UPDATE callbacks SET attempts = attempts + 1, due = ?"
        " WHERE job = (SELECT number FROM jobs WHERE id = ?)",
        (retry_at, job_id),
    )
