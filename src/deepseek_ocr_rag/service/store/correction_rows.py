"""Reads and writes the rows of corrections: texts that a person put in place of a block's text."""

from __future__ import annotations

import sqlite3
from typing import Final

from ...errors import JobNotFoundError, QuotaError
from ..correcting.block_corrections import BlockCorrection

__all__ = [
    "CORRECTIONS_TABLE",
    "add_correction",
    "corrections_of",
    "remove_correction",
    "texts_by_page",
]

CORRECTIONS_TABLE: Final = """
CREATE TABLE corrections (
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    page INTEGER NOT NULL, block INTEGER NOT NULL, text TEXT NOT NULL, made REAL NOT NULL,
    PRIMARY KEY (job, page, block)
) WITHOUT ROWID
"""

MOST_CHARACTERS: Final = 64 * 2**20
"""Most characters of all corrections of one key."""


def add_correction(
    connection: sqlite3.Connection, job: int, page: int, block: int, text: str, now: float
) -> None:
    """Store the text of a block, in place of any earlier correction.

    Raises:
        QuotaError: If the job's key may store no more corrected text.
    """
    connection.execute(
        "INSERT INTO corrections (job, page, block, text, made) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (job, page, block) DO UPDATE SET text = excluded.text, made = excluded.made",
        (job, page, block, text, now),
    )
    stored = connection.execute(
        "SELECT coalesce(sum(length(text)), 0) FROM corrections WHERE job IN"
        " (SELECT number FROM jobs WHERE owner = (SELECT owner FROM jobs WHERE number = ?))",
        (job,),
    ).fetchone()[0]
    if stored > MOST_CHARACTERS:
        raise QuotaError(
            "this key has stored as much corrected text as it may",
            page=page,
            remedy="Export the corrections of old jobs, then remove those jobs.",
        )


def remove_correction(connection: sqlite3.Connection, job: int, page: int, block: int) -> None:
    """Take a correction back.

    Raises:
        JobNotFoundError: If the block is not corrected.
    """
    removed = connection.execute(
        "DELETE FROM corrections WHERE job = ? AND page = ? AND block = ?", (job, page, block)
    ).rowcount
    if not removed:
        raise JobNotFoundError(
            f"block {block} is not corrected", page=page, remedy="Look at the job's corrections."
        )


def texts_by_page(
    connection: sqlite3.Connection, job: int, first: int, last: int
) -> dict[int, dict[int, str]]:
    """The corrected texts of the pages from ``first`` to ``last``: by page, then by block."""
    found: dict[int, dict[int, str]] = {}
    for row in connection.execute(
        "SELECT page, block, text FROM corrections WHERE job = ? AND page BETWEEN ? AND ?",
        (job, first, last),
    ):
        found.setdefault(row["page"], {})[row["block"]] = row["text"]
    return found


def corrections_of(
    connection: sqlite3.Connection, job: int, after: tuple[int, int], limit: int
) -> tuple[BlockCorrection, ...]:
    """Corrections by page and block that come after ``after``."""
    rows = connection.execute(
        "SELECT page, block, text, made FROM corrections"
        " WHERE job = ? AND (page, block) > (?, ?) ORDER BY page, block LIMIT ?",
        (job, *after, limit),
    )
    return tuple(
        BlockCorrection(row["page"], row["block"], row["text"], row["made"]) for row in rows
    )
