"""Reads the rows of finished pages, and puts corrections into the returned pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from ...errors import JobNotFoundError
from ..correcting.block_corrections import corrected_page
from ..jobs import StoredPage
from .correction_rows import texts_by_page
from .database import Database

__all__ = ["find_page", "find_pages", "page_as_read", "pages_by_number"]

_AT_ONCE = 16
"""How many pages are fetched together; a page has at most a few megabytes."""


def find_pages(
    connection: sqlite3.Connection, job: int, after_sequence: int, limit: int | None
) -> tuple[StoredPage, ...]:
    """Pages in the order in which they were stored."""
    rows = connection.execute(
        "SELECT page, sequence, content, failed FROM pages WHERE job = ? AND sequence > ?"
        " ORDER BY sequence LIMIT ?",
        (job, after_sequence, -1 if limit is None else limit),
    ).fetchall()
    return _pages(connection, job, rows)


def find_page(connection: sqlite3.Connection, job: int, number: int) -> StoredPage:
    """A page by its number. Raises JobNotFoundError if it is not finished."""
    texts = texts_by_page(connection, job, number, number)
    return corrected_page(page_as_read(connection, job, number), texts.get(number, {}))


def page_as_read(connection: sqlite3.Connection, job: int, number: int) -> StoredPage:
    """A page as it was read, whatever has been corrected since. Raises JobNotFoundError."""
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
        pages = database.read(lambda connection: _next_pages(connection, job, last))  # noqa: B023 - runs at once
        yield from pages
        if len(pages) < _AT_ONCE:
            return
        last = pages[-1].number


def _next_pages(connection: sqlite3.Connection, job: int, last: int) -> tuple[StoredPage, ...]:
    rows = connection.execute(
        "SELECT page, sequence, content, failed FROM pages WHERE job = ? AND page > ?"
        " ORDER BY page LIMIT ?",
        (job, last, _AT_ONCE),
    ).fetchall()
    return _pages(connection, job, rows)


def _pages(
    connection: sqlite3.Connection, job: int, rows: Sequence[sqlite3.Row]
) -> tuple[StoredPage, ...]:
    if not rows:
        return ()
    numbers = [row["page"] for row in rows]
    texts = texts_by_page(connection, job, min(numbers), max(numbers))
    return tuple(corrected_page(_page(row), texts.get(row["page"], {})) for row in rows)


def _page(row: sqlite3.Row) -> StoredPage:
    return StoredPage(row["page"], row["sequence"], row["content"], bool(row["failed"]))
