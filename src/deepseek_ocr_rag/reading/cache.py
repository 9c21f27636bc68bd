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

from ..errors import ConfigurationError, ForeignDatabaseError, OutputError
from .cache_database import clear_pages, is_damage, number_of, prepare, read_text, write_text
from .cache_folder import default_cache_folder, make_private

__all__ = ["CacheStatus", "PageCache"]

MAX_BYTES: Final = 2**30
"""Some 100,000 pages of 10 kB."""

BUSY_SECONDS: Final = 5.0
"""For other processes to finish their writing."""

PAUSE_SECONDS: Final = 30.0
"""After a failure, so that a disk that hangs is not waited for at every page."""

_FILE = re.compile(r"pages-(\d{1,9})\.sqlite3")

_log = logging.getLogger("deepseek_ocr_rag")
_Result = TypeVar("_Result")
_inherited: list[sqlite3.Connection] = []
"""Connections of the process that this one was forked from: not ours to close."""


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
        return self._safely(lambda connection: read_text(connection, key))

    def put(self, key: str, content: str) -> None:
        """Keep a text; one that was there under that key is replaced."""
        self._safely(lambda connection: write_text(connection, key, content, self.max_bytes))

    def status(self) -> CacheStatus:
        """How much is kept.

        Raises:
            OutputError: If it cannot be looked at.
        """
        if not self._files():
            return CacheStatus(self.folder, 0, 0, self.max_bytes)
        pages = self._certainly(
            lambda connection: number_of(connection, "SELECT count(*) FROM pages")
        )
        aside = tuple(self._path(number) for number in self._files() if number != self._number)
        size = sum(path.stat().st_size for path in self._home.iterdir() if path.is_file())
        return CacheStatus(self.folder, pages, size, self.max_bytes, aside)

    def clear(self) -> int:
        """Remove all that is kept, for good: freed space is overwritten.

        Where the disk is too full for that, the file is deleted instead.

        Returns:
            How many pages there were.

        Raises:
            OutputError: If it cannot be removed.
        """
        if not self._files():
            return 0
        try:
            removed = self._certainly(clear_pages)
        except OutputError as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
            removed = self._certainly(lambda c: number_of(c, "SELECT count(*) FROM pages"))
            self._begin_anew()
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
                except (sqlite3.Error, UnicodeDecodeError, ForeignDatabaseError) as error:
                    if not (is_damage(error) or self._is_marked_read_only(error)):
                        raise
                    self._set_aside(str(error))
            return step(self._connected())

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
            prepare(connection)
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

    def _begin_anew(self) -> None:
        with self._lock:
            self._disconnect()
            self._number += 1
            # So that the next process does not use an old name again.
            with suppress(OSError):
                self._path(self._number).touch(mode=0o600)

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
