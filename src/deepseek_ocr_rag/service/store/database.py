"""Keeps the service's database: one writer at a time, and readers that never wait for it."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from ...errors import ServiceClosingError, StoreError, StoreFullError
from .schema import open_connection, prepare_database
from .turns_of_writing import WritingTurn, run_turns

__all__ = ["Database", "store_errors"]

KEPT_READERS: Final = 8
"""How many reading connections are kept open while nobody reads."""

MOST_TOGETHER: Final = 64
"""Most steps that share a transaction."""

_Result = TypeVar("_Result")


class Database:
    """The SQLite file of a data folder, in WAL mode. Threads may share one.

    Raises:
        StoreError: If it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._lock = threading.Lock()
        self._turns: SimpleQueue[WritingTurn[Any]] = SimpleQueue()
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._closed = False
        with store_errors(self._path):
            self._writer = open_connection(self._path)
            try:
                prepare_database(self._writer)
            except BaseException:
                self._writer.close()
                raise

    def write(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run a step completely or not at all; when this returns, it is on the disk.

        Steps that wait at the same time share a transaction, because each transaction has to wait for
        the disk.

        Raises:
            StoreFullError: If there is no space left.
            StoreError: If the file cannot be written.
        """
        turn = WritingTurn(step)
        self._turns.put(turn)
        with store_errors(self._path):
            with self._lock:
                while not turn.ended:  # otherwise another thread ran it together with its own step
                    self._check_open()
                    run_turns(self._writer, self._waiting())
            return turn.result()

    @property
    def waiting(self) -> int:
        """How many steps wait for the running one."""
        return self._turns.qsize()

    def read(self, step: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run a step that only reads; a running transaction does not delay it.

        Raises:
            StoreError: If the file cannot be read.
        """
        with store_errors(self._path), self._reader() as connection:
            return step(connection)

    def forget_deleted(self) -> None:
        """Remove deleted rows from the journal, too, unless a reader still needs them.

        SQLite keeps earlier versions of rows there, including passwords, until it needs the space.
        """
        with self._lock, suppress(sqlite3.Error):
            if not self._closed:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            self._closed = True
            self._close_readers(0)
            with suppress(sqlite3.Error):
                self._writer.close()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        self._check_open()
        try:
            connection = self._readers.get_nowait()
        except Empty:
            connection = open_connection(self._path, read_only=True)
        try:
            yield connection
        finally:
            self._readers.put(connection)
            self._close_readers(0 if self._closed else KEPT_READERS)

    def _waiting(self) -> Iterator[WritingTurn[Any]]:
        with suppress(Empty):
            for _ in range(MOST_TOGETHER):
                yield self._turns.get_nowait()

    def _close_readers(self, kept: int) -> None:
        with suppress(Empty):
            while self._readers.qsize() > kept:
                self._readers.get_nowait().close()

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceClosingError("the service is closed")


@contextmanager
def store_errors(path: str) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into ours."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise _full(path) from error
        raise StoreError(
            f"the database cannot be used ({error})",
            source=path,
            remedy="Check the disk and who may write to the folder.",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise StoreError(
            f"the data folder cannot be used ({error.strerror or error})",
            source=path,
            remedy="Check the disk and who may write to the folder.",
        ) from error


def _full(path: str) -> StoreFullError:
    error = StoreFullError(
        "there is no space left on the disk",
        source=path,
        remedy="Make space or delete finished jobs, then try again.",
    )
    error.retry_after = 60.0
    return error
