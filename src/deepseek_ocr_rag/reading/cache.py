"""Stores finished pages on disk: :class:`PageCache`, JSON texts by key in one SQLite file.

The file is in WAL mode, in a folder that only its owner can open. Every row has a
checksum over its key and text, so that a damaged file gives misses, never a wrong
text. A file that is damaged, or that another program wrote, is left alone, and a new
one is started: ``pages-2.sqlite3`` after ``pages-1.sqlite3``. File names are never
reused: another process with the old file open would mix up the two journals.

A cache that fails never stops a page from being read: the failure is logged once,
and the page is a miss, or is not stored.
"""

from __future__ import annotations

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
from typing import Any, Final, Self, TypeVar

from ..errors import ConfigurationError, ForeignDatabaseError, OutputError
from ..setting_names import with_known_settings
from .cache_database import clear_pages, count_pages, is_damage, prepare, read_text, write_text
from .cache_folder import default_cache_folder, make_private

__all__ = ["CacheStatus", "PageCache"]

MAX_BYTES: Final = 2**30
"""About 100,000 pages of 10 kB."""

BUSY_SECONDS: Final = 5.0
"""Seconds to wait for other processes that are writing."""

PAUSE_SECONDS: Final = 30.0
"""Seconds for which the cache stays off after a failure, so that a hanging disk does not delay every
page."""

_FILE = re.compile(r"pages-(\d{1,9})\.sqlite3")

_FAILURES: Final = (sqlite3.Error, OSError, UnicodeError, ForeignDatabaseError)
"""The errors of a step if the disk fails, or if the third file in a row is damaged."""

_log = logging.getLogger("deepseek_ocr_rag")
_Result = TypeVar("_Result")
_inherited: list[sqlite3.Connection] = []
"""Connections that a forked child inherited; SQLite forbids even closing them there."""


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """State of a page cache.

    Attributes:
        folder: Where it is.
        pages: Number of stored pages.
        size: Bytes on disk, set-aside files included.
        max_bytes: The limit on the size.
        set_aside: Files that were replaced because they were damaged or another program's.
    """

    folder: Path
    pages: int
    size: int
    max_bytes: int
    set_aside: tuple[Path, ...] = ()


@with_known_settings()
class PageCache:
    """Stores texts by key on disk. Threads and processes may share one.

    Args:
        folder: Where; by default ``DSOCR_CACHE_DIR``, or else the system's folder
            for caches. The files are in ``pages`` below it, which only its owner
            can read.
        max_bytes: File size above which the oldest pages are removed.

    Raises:
        ConfigurationError: If ``max_bytes`` is not positive, or no folder was given
            and this user has no home folder.

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
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state)

    def __repr__(self) -> str:
        return f"PageCache({str(self.folder)!r}, max_bytes={self.max_bytes})"

    def get(self, key: str) -> str | None:
        """The text stored under a key, or None."""
        return self._run_or_none(lambda connection: read_text(connection, key))

    def put(self, key: str, content: str) -> None:
        """Store a text, replacing any other under the same key."""
        self._run_or_none(lambda connection: write_text(connection, key, content, self.max_bytes))

    def status(self) -> CacheStatus:
        """Say how much is stored.

        Raises:
            OutputError: If the cache cannot be read.
        """
        if not self._files():
            return CacheStatus(self.folder, 0, 0, self.max_bytes)
        pages = self._run_or_raise(count_pages)
        aside = tuple(self._path(number) for number in self._files() if number != self._number)
        size = sum(path.stat().st_size for path in self._pages_folder.iterdir() if path.is_file())
        return CacheStatus(self.folder, pages, size, self.max_bytes, aside)

    def clear(self) -> int:
        """Remove all pages and overwrite their space on the disk.

        If the disk is too full for overwriting, the file is deleted instead.

        Returns:
            Number of pages removed.

        Raises:
            OutputError: If they cannot be removed.
        """
        if not self._files():
            return 0
        try:
            removed = self._run_or_raise(clear_pages)
        except OutputError as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
            removed = self._run_or_raise(count_pages)
            self._start_new_file()
        for number in self._files():
            if number != self._number:
                self._remove(number)
        return removed

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- running one statement ------------------------------------------------------------

    def _run_or_none(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Run a step on the file; if that fails, return None and pause the cache."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return self._run(step)
        except _FAILURES as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            if not self._warned:
                self._warned = True
                _log.warning("finished pages cannot be stored in %s: %s", self.folder, error)
            return None

    def _run_or_raise(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        try:
            return self._run(step)
        except _FAILURES as error:
            raise OutputError(
                f"the page cache cannot be used ({error})",
                source=str(self.folder),
                remedy="Delete this folder, or choose another one with DSOCR_CACHE_DIR.",
            ) from error

    def _run(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        self._after_fork()
        with self._lock:
            for _ in range(2):
                try:
                    return step(self._connected())
                except (sqlite3.Error, UnicodeDecodeError, ForeignDatabaseError) as error:
                    if not (is_damage(error) or self._is_marked_read_only(error)):
                        raise
                    self._set_aside(str(error))
            return step(self._connected())

    # --- the file -------------------------------------------------------------------------

    @property
    def _pages_folder(self) -> Path:
        return self.folder / "pages"

    def _path(self, number: int) -> Path:
        return self._pages_folder / f"pages-{number}.sqlite3"

    def _files(self) -> list[int]:
        """The numbers of the existing files, ascending."""
        with suppress(OSError):
            found = (_FILE.fullmatch(name) for name in os.listdir(self._pages_folder))  # noqa: PTH208
            return sorted(int(match[1]) for match in found if match)
        return []

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            make_private(self._pages_folder)
            self._number = max([self._number, 1, *self._files()])
            self._connection = connection = sqlite3.connect(
                self._path(self._number),
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._close = weakref.finalize(self, connection.close)
            prepare(connection)
        return self._connection

    def _disconnect(self) -> None:
        close, self._close, self._connection = self._close, None, None
        if close is not None:
            with suppress(sqlite3.Error):
                close()

    def _set_aside(self, reason: str) -> None:
        """Switch to a new file; keep only the last old one, for inspection."""
        self._disconnect()
        _log.warning("the page cache %s is set aside: %s", self._path(self._number), reason)
        for number in self._files():
            if number < self._number:
                self._remove(number)
        self._number += 1

    def _start_new_file(self) -> None:
        with self._lock:
            self._disconnect()
            self._number += 1
            # The file must exist, or the next process would reuse an old name.
            with suppress(OSError):
                self._path(self._number).touch(mode=0o600)

    def _is_marked_read_only(self, error: Exception) -> bool:
        """Whether only the file's header forbids writing, not the file system."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        paths = (self._pages_folder, self._path(self._number))
        return (code & 0xFF) == sqlite3.SQLITE_READONLY and all(
            os.access(path, os.W_OK) for path in paths
        )

    def _remove(self, number: int) -> None:
        for suffix in ("-wal", "-shm", ""):
            with suppress(OSError):
                Path(f"{self._path(number)}{suffix}").unlink()

    def _after_fork(self) -> None:
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self._lock = threading.Lock()
            if self._connection is not None:
                _inherited.append(self._connection)
            if isinstance(self._close, weakref.finalize):
                self._close.detach()
            self._connection = self._close = None
