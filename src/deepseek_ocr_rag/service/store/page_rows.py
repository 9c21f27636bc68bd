"""The rows of finished pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ...errors import JobNotFoundError
from ..jobs import StoredPage
from .database import Database

__all__ = ["find_page", "find_pages", "pages_by_number"]

_AT_ONCE = 16
"""Pages that are fetched together; a page is at most a few megabytes."""


def find_pages(
    connection: sqlite3.Connection, job: int, after_sequence: int, limit: int | None
) -> tuple[StoredPage, ...]:
    """Pages in the order in which they were stored."""
    rows = connection.execute(
        "SELECT page, sequence, content, failed FROM pages WHERE job = ? AND sequence > ?"
        " ORDER BY sequence LIMIT ?",
        (job, after_sequence, -1 if limit is None else limit),
    )
    return tuple(map(_page, rows))


def find_page(connection: sqlite3.Connection, job: int, number: int) -> StoredPage:
    """A page by its number. Raises JobNotFoundError if it is not finished."""
    row = connection.execute(
        "SELECT page, sequence, content, failed FROM pages WHERE job = ? AND page = ?",
        (job, number),
    ).fetchone()
    if row is None:
        raise JobNotFoundError(
            "the page is not finished, or not one of the job's",
            page=number,
            remedy="Ask for the job to see how far it is.",
        )
    return _page(row)


def pages_by_number(database: Database, job: int) -> Iterator[StoredPage]:
    """All finished pages by number, a few in memory at a time."""
    last = 0
    while True:
        pages = database.read(
            lambda connection: connection.execute(
                "SELECT page, sequence, content, failed FROM pages WHERE job = ? AND page > ?"
                " ORDER BY page LIMIT ?",
                (job, last, _AT_ONCE),  # noqa: B023 - runs at once
            ).fetchall()
        )
        yield from map(_page, pages)
        if len(pages) < _AT_ONCE:
            return
        last = pages[-1]["page"]


def _page(row: sqlite3.Row) -> StoredPage:
    return StoredPage(row["page"], row["sequence"], row["content"], bool(row["failed"]))
