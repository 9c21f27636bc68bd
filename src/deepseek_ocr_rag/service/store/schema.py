"""The tables of the service's database, and the settings of its connections."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Final

from ...errors import StoreError
from .correction_rows import CORRECTIONS_TABLE

__all__ = ["open_connection", "prepare_database"]

_APPLICATION: Final = 0x64736F71
"""SQLite's ``application_id``: marks a file as ours ("dsoq")."""

_VERSION: Final = 2
"""2 has the table of corrections."""

BUSY_SECONDS: Final = 10.0

READER_KILOBYTES: Final = 256

_SCHEMA: Final = """
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER, sha256 TEXT, created REAL NOT NULL, expires REAL NOT NULL
);
CREATE INDEX uploads_of_owner ON uploads (owner, created);
CREATE INDEX uploads_of_file ON uploads (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX uploads_by_content ON uploads (owner, sha256, size);
CREATE INDEX uploads_by_end ON uploads (expires);

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled')),
    upload TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    options TEXT NOT NULL,
    secrets TEXT,
    pages_done INTEGER NOT NULL DEFAULT 0,
    pages_failed INTEGER NOT NULL DEFAULT 0,
    pages_total INTEGER, document_pages INTEGER,
    created REAL NOT NULL, started REAL, ended REAL, expires REAL,
    error TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    rank INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    lease TEXT, heartbeat REAL,
    headings TEXT NOT NULL DEFAULT '[]',
    suspects TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX jobs_of_owner ON jobs (owner, number);
CREATE INDEX jobs_by_content ON jobs (owner, sha256, size);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_waiting ON jobs (owner, rank, number, not_before) WHERE state = 'queued';
CREATE INDEX jobs_of_file ON jobs (sha256);
CREATE INDEX jobs_by_end ON jobs (expires) WHERE expires IS NOT NULL;

CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    page INTEGER NOT NULL, sequence INTEGER NOT NULL, failed INTEGER NOT NULL,
    stored REAL NOT NULL, content TEXT NOT NULL,
    UNIQUE (job, page), UNIQUE (job, sequence)
);

CREATE TABLE idempotency (
    owner TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_of_job ON idempotency (job);

CREATE TABLE callbacks (
    job INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    target TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL
);
CREATE INDEX callbacks_by_time ON callbacks (due);

CREATE TABLE tombstones (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, removed REAL NOT NULL
);
CREATE INDEX tombstones_by_time ON tombstones (removed);
"""

_UPGRADES: Final = {1: (CORRECTIONS_TABLE,)}
"""The statements that upgrade a database of a version to the next one."""


def open_connection(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; any thread may use it, one at a time."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    # Every job that was acknowledged must survive a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    # Overwrite what is deleted: it may be a password.
    connection.execute("PRAGMA secure_delete = ON")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
        # Small, because there are several readers, and the system caches the file once for all.
        connection.execute(f"PRAGMA cache_size = -{READER_KILOBYTES}")
    return connection


def prepare_database(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, and what an older version lacks.

    Raises:
        StoreError: If another program, or another version of this one, wrote the file.
        sqlite3.Error: If it is unusable.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {16 * 2**20}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _scalar(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            for statement in _SCHEMA.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("PRAGMA user_version = 1")
        if _scalar(connection, "PRAGMA application_id") == _APPLICATION:
            _upgrade(connection)
        found = (
            _scalar(connection, "PRAGMA application_id"),
            _scalar(connection, "PRAGMA user_version"),
        )
        if found != (_APPLICATION, _VERSION):
            raise StoreError(
                "the database was written by another program or version",
                remedy="Choose another data folder.",
            )
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade the tables of an older version to this one."""
    version = _scalar(connection, "PRAGMA user_version")
    while version in _UPGRADES:
        for statement in _UPGRADES[version]:
            connection.execute(statement)
        version += 1
        connection.execute(f"PRAGMA user_version = {version}")


def _scalar(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
