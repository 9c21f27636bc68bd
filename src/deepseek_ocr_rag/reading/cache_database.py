"""The SQL statements of :mod:`.cache`, and which errors mean that the file is damaged."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from typing import Final

from ..errors import ForeignDatabaseError

__all__ = ["clear_pages", "count_pages", "is_damage", "prepare", "read_text", "write_text"]

EVICTION_TARGET: Final = 0.9
"""Share of the size limit that eviction leaves, so that not every write evicts."""

LONGEST_TEXT: Final = 64 * 2**20
"""Limit on the JSON of one page, in bytes. A text layer of 500,000 characters takes 2 MB."""

_APPLICATION: Final = 0x64736F63
"""SQLite's ``application_id``: marks a file as ours ("dsoc")."""

_SCHEMA: Final = (
    "CREATE TABLE pages (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
    "checksum BLOB NOT NULL, content TEXT NOT NULL)"
)
_DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        # With an intact file of ours, the statements below never cause these.
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


def prepare(connection: sqlite3.Connection) -> None:
    """Configure a connection; create the table if the file is empty.

    Raises ForeignDatabaseError if the file is not a page cache, sqlite3.Error if it is unusable.
    """
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if _scalar(connection, "PRAGMA application_id") != _APPLICATION:
        _create(connection)
    schema = connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL").fetchall()
    if schema != [(_SCHEMA.encode("ascii"),)]:
        raise ForeignDatabaseError("it is not a page cache")
    with suppress(sqlite3.OperationalError):
        # The file is locked only while another process runs this same statement.
        connection.execute("PRAGMA journal_mode = WAL")
    # A crash of this process loses nothing; a crash of the machine may lose the last pages.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {4 * 2**20}")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _scalar(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        elif _scalar(connection, "PRAGMA application_id") != _APPLICATION:
            raise ForeignDatabaseError("it is another program's database")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def read_text(connection: sqlite3.Connection, key: str) -> str | None:
    """The text stored under a key; None if there is none or its checksum is wrong."""
    row = connection.execute("SELECT checksum, content FROM pages WHERE key = ?", (key,)).fetchone()
    if row is None or not isinstance(row[1], bytes) or row[0] != _checksum(key, row[1]):
        return None
    return row[1].decode("utf-8")


def write_text(connection: sqlite3.Connection, key: str, content: str, max_bytes: int) -> None:
    """Store a text under a key; evict the oldest texts if the file exceeds ``max_bytes``."""
    text = content.encode("utf-8")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "INSERT OR REPLACE INTO pages (key, checksum, content) VALUES (?, ?, CAST(? AS TEXT))",
            (key, _checksum(key, text), text),
        )
        if read_text(connection, key) != content:
            raise ForeignDatabaseError("a page that was just written cannot be read back")
        _evict(connection, max_bytes)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _evict(connection: sqlite3.Connection, max_bytes: int) -> None:
    size = _scalar(connection, "PRAGMA page_size")
    used = _scalar(connection, "PRAGMA page_count") - _scalar(connection, "PRAGMA freelist_count")
    if used * size <= max_bytes:
        return
    pages = count_pages(connection)
    share = min(1.0, EVICTION_TARGET * max_bytes / (used * size))
    connection.execute(
        "DELETE FROM pages WHERE id IN (SELECT id FROM pages ORDER BY id LIMIT ?)",
        (pages - int(pages * share),),
    )


def clear_pages(connection: sqlite3.Connection) -> int:
    """Remove and overwrite all texts; returns their number."""
    connection.execute("PRAGMA secure_delete = ON")
    removed = connection.execute("DELETE FROM pages").rowcount
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def count_pages(connection: sqlite3.Connection) -> int:
    """Number of stored texts."""
    return _scalar(connection, "SELECT count(*) FROM pages")


def _scalar(connection: sqlite3.Connection, query: str) -> int:
    (value,) = connection.execute(query).fetchone()
    return int(value)


def _checksum(key: str, text: bytes) -> bytes:
    return hashlib.sha256(key.encode("utf-8") + b"\0" + text).digest()


def is_damage(error: Exception) -> bool:
    """Whether an error is caused by the file's content, not by the system."""
    # SQLite's message about a damaged schema can quote bytes that are not UTF-8.
    if isinstance(error, ForeignDatabaseError | UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or (code & 0xFF) in _DAMAGED
