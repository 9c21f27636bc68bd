"""The rows of uploads, and how many bytes each key has stored."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Final

from ...errors import JobNotFoundError, UploadError
from ..jobs import Upload

__all__ = [
    "add_upload",
    "delete_upload",
    "expired_uploads",
    "fill_upload",
    "find_upload",
    "is_needed",
    "list_uploads",
    "owned_bytes",
    "stored_bytes",
]

ID_BYTES: Final = 18
"""Random bytes of an id: 24 characters, which nobody can guess."""


def add_upload(
    connection: sqlite3.Connection,
    owner: str,
    name: str,
    media_type: str,
    times: tuple[float, float],
) -> Upload:
    """Announce an upload; ``times`` are when it was made and when it expires."""
    row = connection.execute(
        "INSERT INTO uploads (id, owner, name, media_type, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
        (secrets.token_urlsafe(ID_BYTES), owner, name, media_type, *times),
    ).fetchone()
    return _upload(row)


def find_upload(connection: sqlite3.Connection, owner: str, upload_id: str) -> Upload:
    """An upload of a key. Raises JobNotFoundError."""
    row = connection.execute(
        "SELECT * FROM uploads WHERE id = ? AND owner = ?", (upload_id, owner)
    ).fetchone()
    if row is None:
        raise JobNotFoundError(
            "there is no such upload", remedy="Send the document again; uploads expire."
        )
    return _upload(row)


def fill_upload(connection: sqlite3.Connection, upload: Upload, sha256: str, size: int) -> Upload:
    """Note the content of an upload. Raises UploadError if it has one already."""
    find_upload(connection, upload.owner, upload.id)
    row = connection.execute(
        "UPDATE uploads SET sha256 = ?, size = ? WHERE id = ? AND sha256 IS NULL RETURNING *",
        (sha256, size, upload.id),
    ).fetchone()
    if row is None:
        raise UploadError("the upload has its content already", source=upload.name)
    return _upload(row)


def list_uploads(connection: sqlite3.Connection, owner: str) -> tuple[Upload, ...]:
    """The uploads of a key that have content, oldest first."""
    rows = connection.execute(
        "SELECT * FROM uploads WHERE owner = ? AND sha256 IS NOT NULL ORDER BY created, id",
        (owner,),
    )
    return tuple(map(_upload, rows))


def delete_upload(connection: sqlite3.Connection, upload_id: str) -> str | None:
    """Remove the row; returns the hash of its file."""
    row = connection.execute(
        "DELETE FROM uploads WHERE id = ? RETURNING sha256", (upload_id,)
    ).fetchone()
    return None if row is None else row["sha256"]


def expired_uploads(connection: sqlite3.Connection, now: float) -> list[str]:
    """The ids of uploads whose time is over."""
    rows = connection.execute("SELECT id FROM uploads WHERE expires <= ?", (now,))
    return [row["id"] for row in rows]


def is_needed(connection: sqlite3.Connection, sha256: str) -> bool:
    """Whether an upload or a job needs a file."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM uploads WHERE sha256 = ?1)"
        " OR EXISTS (SELECT 1 FROM jobs WHERE sha256 = ?1)",
        (sha256,),
    ).fetchone()
    return bool(row[0])


def owned_bytes(connection: sqlite3.Connection, owner: str) -> int:
    """Bytes of the documents of a key, each content once."""
    return _sum(connection, "WHERE owner = ?", (owner, owner))


def stored_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all documents."""
    return _sum(connection, "", ())


def _sum(connection: sqlite3.Connection, condition: str, values: tuple[str, ...]) -> int:
    found = " UNION ".join(
        f"SELECT sha256, size FROM {table} {condition}"  # noqa: S608 - two constants
        for table in ("uploads", "jobs")
    )
    row = connection.execute(
        f"SELECT coalesce(sum(size), 0) FROM ({found}) WHERE sha256 IS NOT NULL",  # noqa: S608
        values,
    ).fetchone()
    return int(row[0])


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(
        row["id"],
        row["owner"],
        row["name"],
        row["media_type"],
        row["size"],
        row["sha256"],
        row["created"],
        row["expires"],
    )
