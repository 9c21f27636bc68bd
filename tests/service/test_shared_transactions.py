"""Steps of several threads share a transaction, and each is done as a whole or not at all."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from deepseek_ocr_rag.errors import StoreFullError
from deepseek_ocr_rag.service.store.database import Database
from deepseek_ocr_rag.service.store.turns_of_writing import WritingTurn, run_turns


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute("CREATE TABLE numbers (number INTEGER UNIQUE)")
    yield made
    made.close()


def adding(*numbers, error=None):
    def step(connection):
        for number in numbers:
            connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        if error is not None:
            raise error
        return sum(numbers)

    return WritingTurn(step)


def numbers(connection):
    return [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY number")]


def test_all_of_them_are_done_and_get_their_results(connection):
    turns = [adding(1, 2), adding(3)]
    run_turns(connection, turns)
    assert [turn.result() for turn in turns] == [3, 3]
    assert numbers(connection) == [1, 2, 3]
    assert not connection.in_transaction


@pytest.mark.parametrize("error", [ValueError("no"), sqlite3.IntegrityError("no")])
def test_what_fails_is_undone_and_undoes_no_other(connection, error):
    turns = [adding(1), adding(2, 3, error=error), adding(4)]
    run_turns(connection, turns)
    assert numbers(connection) == [1, 4]
    assert [turns[0].result(), turns[2].result()] == [1, 4]
    with pytest.raises(type(error)):
        turns[1].result()


def test_if_the_transaction_is_lost_nobody_is_told_that_it_is_stored(connection):
    """As on a full disk, where SQLite undoes the whole transaction by itself."""

    def lose(inner):
        inner.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    turns = [adding(1), WritingTurn(lose), adding(2)]
    run_turns(connection, turns)
    assert numbers(connection) == []
    for turn in turns:
        with pytest.raises(sqlite3.OperationalError):
            turn.result()
    run_turns(connection, [adding(5)])
    assert numbers(connection) == [5]


def test_steps_that_wait_are_taken_along(tmp_path):
    database = Database(tmp_path / "jobs.sqlite3")
    database.write(lambda each: each.execute("CREATE TABLE numbers (number INTEGER)"))
    begun, go_on = threading.Event(), threading.Event()
    commits = []

    def first(connection):
        connection.set_trace_callback(lambda text: commits.append(text == "COMMIT"))
        begun.set()
        assert go_on.wait(60)

    def add(number):
        database.write(lambda each: each.execute("INSERT INTO numbers VALUES (?)", (number,)))

    threads = [threading.Thread(target=database.write, args=(first,))]
    threads[0].start()
    assert begun.wait(60)
    threads += [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads[1:]:
        thread.start()
    while database.waiting < 20:
        pass
    go_on.set()
    for thread in threads:
        thread.join(60)
    count = database.read(lambda each: each.execute("SELECT count(*) FROM numbers").fetchone()[0])
    database.close()
    assert count == 20
    assert sum(commits) == 2


def test_a_full_disk_is_told_to_every_step_as_such(tmp_path):
    database = Database(tmp_path / "jobs.sqlite3")
    database.write(lambda each: each.execute("CREATE TABLE texts (text TEXT)"))
    pages = database.read(lambda each: each.execute("PRAGMA page_count").fetchone()[0])

    def fill(connection):
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute("INSERT INTO texts VALUES (?)", ("x" * 10_000_000,))

    with pytest.raises(StoreFullError):
        database.write(fill)
    assert (
        database.write(lambda each: each.execute("SELECT count(*) FROM texts").fetchone()[0]) == 0
    )
    database.close()
