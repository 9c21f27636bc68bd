"""The statements of :mod:`.cache` on one SQLite file, and what of its errors is damage."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from typing import Final

from ..errors import ForeignDatabaseError

__all__ = ["clear_pages", "is_damage", "number_of", "prepare", "read_text", "write_text"]

KEPT_SHARE: Final = 0.9
"""What is left of the limit after the oldest pages were removed, so that it is not every time."""

LONGEST_TEXT: Final = 64 * 2**20
"""Bytes of one page's JSON. A text layer of 500,000 characters has 2 MB."""

_APPLICATION: Final = 0x64736F63
"""Marks the files as ours ("dsoc"), as SQLite's ``application_id`` is meant for."""

_SCHEMA: Final = (
    "CREATE TABLE pages (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
    "checksum BLOB NOT NULL, content TEXT NOT NULL)"
)
_DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        # What no sound file of ours answers to the statements below.
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


def prepare(connection: sqlite3.Connection) -> None:
    """Set a connection up; a file without anything in it becomes one of ours."""
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if number_of(connection, "PRAGMA application_id") != _APPLICATION:
        _create(connection)
    schema = connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL").fetchall()
    if schema != [(_SCHEMA.encode("ascii"),)]:
        raise ForeignDatabaseError("it is not a page cache")
    with suppress(sqlite3.OperationalError):
        # Locked only while another process does the same.
        connection.execute("PRAGMA journal_mode = WAL")
    # Sound after a crash of this process; the last pages may be gone after one of the machine.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {4 * 2**20}")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if number_of(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        elif number_of(connection, "PRAGMA application_id") != _APPLICATION:
            raise ForeignDatabaseError("it is another program's database")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def read_text(connection: sqlite3.Connection, key: str) -> str | None:
    """The text that was kept under a key, exactly; else None."""
    row = connection.execute("SELECT checksum, content FROM pages WHERE key = ?", (key,)).fetchone()
    if row is None or not isinstance(row[1], bytes) or row[0] != _checksum(key, row[1]):
        return None
    return row[1].decode("utf-8")


def write_text(connection: sqlite3.Connection, key: str, content: str, max_bytes: int) -> None:
    """Keep a text under a key; the oldest ones go where the file is larger than ``max_bytes``."""
    text = content.encode("utf-8")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "INSERT OR REPLACE INTO pages (key, checksum, content) VALUES (?, ?, CAST(? AS TEXT))",
            (key, _checksum(key, text), text),
        )
        if read_text(connection, key) != content:
            raise ForeignDatabaseError("what was written cannot be found again")
        _evict(connection, max_bytes)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _evict(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Remove the pages that were kept first, where the file has grown too large."""
    size = number_of(connection, "PRAGMA page_size")
    used = number_of(connection, "PRAGMA page_count") - number_of(
        connection, "PRAGMA freelist_count"
    )
    if used * size <= max_bytes:
        return
    pages = number_of(connection, "SELECT count(*) FROM pages")
    share = min(1.0, KEPT_SHARE * max_bytes / (used * size))
    connection.execute(
        "DELETE FROM pages WHERE id IN (SELECT id FROM pages ORDER BY id LIMIT ?)",
        (pages - int(pages * share),),
    )


def clear_pages(connection: sqlite3.Connection) -> int:
    """Remove and overwrite all texts; returns how many there were."""
    connection.execute("PRAGMA secure_delete = ON")
    removed = connection.execute("DELETE FROM pages").rowcount
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def number_of(connection: sqlite3.Connection, question: str) -> int:
    """The one number that answers a question."""
    (value,) = connection.execute(question).fetchone()
    return int(value)


def _checksum(key: str, text: bytes) -> bytes:
    return hashlib.sha256(key.encode("utf-8") + b"\0" + text).digest()


def is_damage(error: Exception) -> bool:
    """Whether an error comes from what is in the file, not from how the system treats it."""
    # SQLite's message about a damaged schema can quote it, which is then no text.
    if isinstance(error, ForeignDatabaseError | UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or (code & 0xFF) in _DAMAGED
