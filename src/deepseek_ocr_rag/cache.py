"""Finished pages on disk: :class:`PageCache`, JSON texts by key in one SQLite file.

The file is in WAL mode and lies in a folder that only its owner can open. Every
row has a checksum over its key and its text, so that whatever happens to the file
a text is either the one that was kept or a miss. A file that is damaged or
somebody else's is left alone, and ``pages-2.sqlite3`` is begun after
``pages-1.sqlite3``: the names are never used again, because another process that
still has the old file open would take a new one's journal for its own.

Nothing here stops a page from being read: what goes wrong is logged once, and
the page is a miss, or is not kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from .cache_folder import default_cache_folder, make_private
from .errors import ConfigurationError, OutputError

__all__ = ["CacheStatus", "PageCache"]

MAX_BYTES: Final = 2**30
"""Some 100,000 pages of 10 kB."""

KEPT_SHARE: Final = 0.9
"""What is left of the limit after the oldest pages were removed, so that it is not every time."""

LONGEST_TEXT: Final = 64 * 2**20
"""Bytes of one page's JSON. A text layer of 500,000 characters has 2 MB."""

BUSY_SECONDS: Final = 5.0
"""For other processes to finish their writing."""

PAUSE_SECONDS: Final = 30.0
"""After a failure, so that a disk that hangs is not waited for at every page."""

_FILE = re.compile(r"pages-(\d{1,9})\.sqlite3")
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

_log = logging.getLogger("deepseek_ocr_rag")
_Result = TypeVar("_Result")
_inherited: list[sqlite3.Connection] = []
"""Connections of the process that this one was forked from: not ours to close."""


class _UnusableFileError(Exception):
    """A SQLite file that is not one of ours, or not any more."""


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What is kept.

    Attributes:
        folder: Where.
        pages: How many.
        size: Bytes on disk, set-aside files included.
        max_bytes: What the size may be.
        set_aside: Damaged or foreign files that were replaced.
    """

    folder: Path
    pages: int
    size: int
    max_bytes: int
    set_aside: tuple[Path, ...] = ()


class PageCache:
    """Texts by key, kept over processes. Threads and processes may share it.

    Args:
        folder: Where; by default the system's folder for caches, or
            ``DSOCR_CACHE_DIR``. The files lie in ``pages`` below it, which is
            made readable by its owner alone.
        max_bytes: Size of the file from which the oldest pages are removed.

    Raises:
        ConfigurationError: If ``max_bytes`` is not positive, or there is no
            folder to take.

    Example:
        >>> cache = PageCache("ocr-pages", max_bytes=10 * 2**30)  # doctest: +SKIP
        >>> Reader(cache=cache).read("report.pdf")  # doctest: +SKIP
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, max_bytes: int = MAX_BYTES
    ) -> None:
        if max_bytes < 1:
            raise ConfigurationError(
                f"max_bytes={max_bytes} is too small", remedy="Give 1 or more."
            )
        self.folder = (
            default_cache_folder() if folder is None else Path(folder).expanduser().absolute()
        )
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._close: Callable[[], object] | None = None
        self._number = 0
        self._paused_until = 0.0
        self._complained = False

    def __repr__(self) -> str:
        return f"PageCache({str(self.folder)!r}, max_bytes={self.max_bytes})"

    def get(self, key: str) -> str | None:
        """The text that was kept under a key, or None."""
        return self._safely(lambda connection: _get(connection, key))

    def put(self, key: str, content: str) -> None:
        """Keep a text; one that was there under that key is replaced."""
        self._safely(lambda connection: self._put(connection, key, content))

    def status(self) -> CacheStatus:
        """How much is kept.

        Raises:
            OutputError: If it cannot be looked at.
        """
        if not self._files():
            return CacheStatus(self.folder, 0, 0, self.max_bytes)
        pages = self._certainly(
            lambda connection: _number(connection, "SELECT count(*) FROM pages")
        )
        aside = tuple(self._path(number) for number in self._files() if number != self._number)
        size = sum(path.stat().st_size for path in self._home.iterdir() if path.is_file())
        return CacheStatus(self.folder, pages, size, self.max_bytes, aside)

    def clear(self) -> int:
        """Remove all that is kept, for good: freed space is overwritten.

        Returns:
            How many pages there were.

        Raises:
            OutputError: If it cannot be removed.
        """
        if not self._files():
            return 0
        removed = self._certainly(_clear)
        for number in self._files():
            if number != self._number:
                self._remove(number)
        return removed

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- one statement, whatever happens --------------------------------------------------

    def _safely(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Do a step on a sound file; None where that is not possible now."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return self._do(step)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            if not self._complained:
                self._complained = True
                _log.warning("finished pages cannot be kept in %s: %s", self.folder, error)
            return None

    def _certainly(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        try:
            return self._do(step)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise OutputError(
                f"the page cache cannot be used ({error})",
                source=str(self.folder),
                remedy="Remove the folder, or name another one with DSOCR_CACHE_DIR.",
            ) from error

    def _do(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        self._after_fork()
        with self._lock:
            for _ in range(2):
                try:
                    return step(self._connected())
                except (sqlite3.Error, UnicodeDecodeError, _UnusableFileError) as error:
                    if not (_is_damage(error) or self._is_marked_read_only(error)):
                        raise
                    self._set_aside(str(error))
            return step(self._connected())

    def _put(self, connection: sqlite3.Connection, key: str, content: str) -> None:
        text = content.encode("utf-8")
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "INSERT OR REPLACE INTO pages (key, checksum, content) "
                "VALUES (?, ?, CAST(? AS TEXT))",
                (key, _checksum(key, text), text),
            )
            if _get(connection, key) != content:
                raise _UnusableFileError("what was written cannot be found again")
            _evict(connection, self.max_bytes)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    # --- the file -------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        return self.folder / "pages"

    def _path(self, number: int) -> Path:
        return self._home / f"pages-{number}.sqlite3"

    def _files(self) -> list[int]:
        """The numbers of the files that are there, the newest last."""
        with suppress(OSError):
            found = (_FILE.fullmatch(name) for name in os.listdir(self._home))  # noqa: PTH208
            return sorted(int(match[1]) for match in found if match)
        return []

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            make_private(self._home)
            self._number = max([self._number, 1, *self._files()])
            self._connection = connection = sqlite3.connect(
                self._path(self._number),
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._close = weakref.finalize(self, connection.close)
            _prepare(connection)
        return self._connection

    def _disconnect(self) -> None:
        close, self._close, self._connection = self._close, None, None
        if close is not None:
            with suppress(sqlite3.Error):
                close()

    def _set_aside(self, why: str) -> None:
        """Go on with a new file; of the old ones only the last is left for whoever wants to look."""
        self._disconnect()
        _log.warning("the page cache %s is set aside: %s", self._path(self._number), why)
        for number in self._files():
            if number < self._number:
                self._remove(number)
        self._number += 1

    def _is_marked_read_only(self, error: Exception) -> bool:
        """Whether it is only the file's header that forbids writing, not the system."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        places = (self._home, self._path(self._number))
        return (code & 0xFF) == sqlite3.SQLITE_READONLY and all(
            os.access(place, os.W_OK) for place in places
        )

    def _remove(self, number: int) -> None:
        for end in ("-wal", "-shm", ""):
            with suppress(OSError):
                Path(f"{self._path(number)}{end}").unlink()

    def _after_fork(self) -> None:
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self._lock = threading.Lock()
            if self._connection is not None:
                _inherited.append(self._connection)
            if isinstance(self._close, weakref.finalize):
                self._close.detach()
            self._connection = self._close = None


def _prepare(connection: sqlite3.Connection) -> None:
    """Set a connection up; a file without anything in it becomes one of ours."""
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if _number(connection, "PRAGMA application_id") != _APPLICATION:
        _create(connection)
    schema = connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL").fetchall()
    if schema != [(_SCHEMA.encode("ascii"),)]:
        raise _UnusableFileError("it is not a page cache")
    with suppress(sqlite3.OperationalError):
        # Locked only while another process does the same.
        connection.execute("PRAGMA journal_mode = WAL")
    # Sound after a crash of this process; the last pages may be gone after one of the machine.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {4 * 2**20}")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _number(connection, "SELECT count(*) FROM sqlite_schema") == 0:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        elif _number(connection, "PRAGMA application_id") != _APPLICATION:
            raise _UnusableFileError("it is another program's database")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _get(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT checksum, content FROM pages WHERE key = ?", (key,)).fetchone()
    if row is None or not isinstance(row[1], bytes) or row[0] != _checksum(key, row[1]):
        return None
    return row[1].decode("utf-8")


def _evict(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Remove the pages that were kept first, where the file has grown too large."""
    size = _number(connection, "PRAGMA page_size")
    used = _number(connection, "PRAGMA page_count") - _number(connection, "PRAGMA freelist_count")
    if used * size <= max_bytes:
        return
    pages = _number(connection, "SELECT count(*) FROM pages")
    share = min(1.0, KEPT_SHARE * max_bytes / (used * size))
    connection.execute(
        "DELETE FROM pages WHERE id IN (SELECT id FROM pages ORDER BY id LIMIT ?)",
        (pages - int(pages * share),),
    )


def _clear(connection: sqlite3.Connection) -> int:
    connection.execute("PRAGMA secure_delete = ON")
    removed = connection.execute("DELETE FROM pages").rowcount
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def _number(connection: sqlite3.Connection, question: str) -> int:
    (value,) = connection.execute(question).fetchone()
    return int(value)


def _checksum(key: str, text: bytes) -> bytes:
    return hashlib.sha256(key.encode("utf-8") + b"\0" + text).digest()


def _is_damage(error: Exception) -> bool:
    # SQLite's message about a damaged schema can quote it, which is then no text.
    if isinstance(error, _UnusableFileError | UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or (code & 0xFF) in _DAMAGED
