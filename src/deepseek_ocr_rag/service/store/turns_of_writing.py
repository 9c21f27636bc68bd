"""Runs steps of several threads in one transaction: :class:`WritingTurn`, :func:`run_turns`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar, cast

__all__ = ["WritingTurn", "run_turns"]

_Result = TypeVar("_Result")


class WritingTurn(Generic[_Result]):
    """A step that a thread waits for, and its result.

    Args:
        step: Changes the database.
    """

    def __init__(self, step: Callable[[sqlite3.Connection], _Result]) -> None:
        self.ended = False
        self._step = step
        self._result: _Result | None = None
        self._error: BaseException | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the step inside a transaction; undo it if it fails.

        Raises:
            sqlite3.Error: If the whole transaction is lost.
        """
        connection.execute("SAVEPOINT step")
        try:
            self._result = self._step(connection)
        except Exception as error:  # noqa: BLE001 - raised again by result()
            self._error = error
            # On a full disk, SQLite has undone the transaction, and this fails.
            connection.execute("ROLLBACK TO step")
        connection.execute("RELEASE step")

    def fail(self, error: BaseException) -> None:
        """Note that the transaction is lost, and the step with it."""
        self._error = self._error or error

    def result(self) -> _Result:
        """Return what the step returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return cast("_Result", self._result)


def run_turns(connection: sqlite3.Connection, turns: Iterable[WritingTurn[object]]) -> None:
    """Run all steps in one transaction; none counts as done before all are on the disk."""
    taken = list(turns)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for turn in taken:
            turn.run(connection)
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        for turn in taken:
            turn.fail(error)
        if not isinstance(error, Exception):
            raise
    finally:
        for turn in taken:
            turn.ended = True
