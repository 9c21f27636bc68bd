"""Who gets which worker, and when workers are started."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from waiting import LONG, soon

from deepseek_ocr_rag.errors import SourceError
from deepseek_ocr_rag.sources.isolation import pool as pools
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool


class Startable:
    """A worker whose start is seen, and waits until it may end."""

    alive = True

    def __init__(self, made, begins, may_start, first_waits=False):
        self.documents = set()
        if made or first_waits:
            begins.set()
            assert may_start.wait(LONG)
        made.append(self)

    def stop(self):
        self.alive = False

    interrupt = stop


def test_a_request_takes_a_worker_that_becomes_free_while_its_own_starts(monkeypatch):
    begins, may_start = threading.Event(), threading.Event()
    monkeypatch.setattr(pools, "Worker", partial(Startable, [], begins, may_start))
    pool = WorkerPool(2)
    document = pool.register()

    def borrowed():
        with pool.worker(document) as worker:
            return worker

    with ThreadPoolExecutor(1) as thread:
        with pool.worker(document) as first:
            second = thread.submit(borrowed)
            assert begins.wait(LONG)
        assert second.result(LONG) is first
        may_start.set()


def test_a_worker_that_starts_beside_others_is_prepared_before_it_is_used(monkeypatch):
    may_start = threading.Event()
    may_start.set()
    monkeypatch.setattr(pools, "Worker", partial(Startable, [], threading.Event(), may_start))
    pool = WorkerPool(2)
    document = pool.register()
    prepared = []
    with (
        pool.worker(document, prepare=prepared.append),
        pool.worker(document, prepare=prepared.append) as second,
    ):
        assert prepared == [second]


def test_a_worker_that_cannot_be_prepared_for_want_of_threads_is_not_lost(monkeypatch):
    may_start = threading.Event()
    may_start.set()
    monkeypatch.setattr(pools, "Worker", partial(Startable, [], threading.Event(), may_start))
    pool = WorkerPool(2)
    document = pool.register()

    def refused(_):
        raise RuntimeError("can't start new thread")

    def borrowed():
        with pool.worker(document, prepare=refused) as worker:
            return worker

    with ThreadPoolExecutor(1) as thread, pool.worker(document, prepare=refused) as first:
        assert thread.submit(borrowed).result(LONG) is not first


@pytest.fixture
def expecting(monkeypatch):
    """A pool, the workers made in it, and an event without which none of them starts."""
    made, may_start = [], threading.Event()
    start = partial(Startable, made, threading.Event(), may_start, first_waits=True)
    monkeypatch.setattr(pools, "Worker", start)
    pool = WorkerPool(2)
    yield pool, made, may_start
    may_start.set()
    pool._stop_timer()


def test_an_expected_document_takes_the_worker_that_was_started_for_it(expecting):
    pool, made, may_start = expecting
    prepared = []
    may_start.set()
    pool.expect(prepared.append)
    assert soon(lambda: pool.workers and not pool._busy)
    assert prepared == made
    with pool.worker(pool.register(), prepare=prepared.append) as worker:
        assert [worker] == made == prepared


def test_a_document_that_comes_sooner_waits_for_it_and_prepares_it_itself(expecting):
    """Two that start at once take twice as long on a machine with few processors."""
    pool, made, may_start = expecting
    prepared = []
    pool.expect(prepared.append)
    document = pool.register()

    def borrowed():
        with pool.worker(document) as worker:
            return worker

    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(borrowed)
        assert pool._starting == 1
        may_start.set()
        assert [taken.result(LONG)] == made
    assert prepared == []


def test_only_one_worker_is_started_however_many_expect_documents(expecting):
    pool, made, may_start = expecting
    may_start.set()
    for _ in range(2):
        pool.expect(lambda worker: None)
    assert soon(lambda: pool.workers)
    pool.expect(lambda worker: None)
    assert len(made) == 1


def test_it_ends_when_the_last_one_expects_no_more_documents(expecting):
    pool, made, may_start = expecting
    may_start.set()
    first, second = (pool.expect(lambda worker: None) for _ in range(2))
    assert soon(lambda: pool.workers and not pool._busy)
    pool.end_if_unused()
    pool.expect_no_more(first)
    assert made[0].alive
    pool.expect_no_more(second)
    assert not made[0].alive
    assert pool.workers == 0
    assert pool._timer is None


def test_it_ends_at_once_while_it_starts_or_is_prepared(expecting):
    pool, made, may_start = expecting
    number = pool.expect(lambda worker: None)
    pool.expect_no_more(number)
    may_start.set()
    assert soon(lambda: made and not made[0].alive)
    assert soon(lambda: pool.workers == 0)

    prepares, may_go_on = threading.Event(), threading.Event()

    def prepare(worker):
        prepares.set()
        may_go_on.wait(LONG)

    number = pool.expect(prepare)
    assert prepares.wait(LONG)
    pool.expect_no_more(number)
    assert not made[1].alive
    may_go_on.set()
    assert soon(lambda: pool.workers == 0)


def test_it_ends_after_a_while_if_no_document_comes(expecting, monkeypatch):
    pool, made, may_start = expecting
    may_start.set()
    monkeypatch.setattr(pools, "READY_SECONDS", 0.2)
    pool.expect(lambda worker: None)
    assert soon(lambda: made and not made[0].alive)


def test_workers_stay_longer_while_more_documents_are_expected(expecting, monkeypatch):
    pool, made, may_start = expecting
    may_start.set()
    monkeypatch.setattr(pools, "LINGER_SECONDS", 0.0)
    number = pool.expect(lambda worker: None)
    document = pool.register()
    with pool.worker(document):
        pass
    pool.forget(document)
    assert pool._timer.interval == pools.READY_SECONDS
    assert made[0].alive
    pool.abandon(number)
    again = pool.register()
    pool.forget(again)
    assert soon(lambda: not made[0].alive)


def test_a_worker_that_does_not_start_ahead_is_started_for_the_document(expecting, monkeypatch):
    pool, made, may_start = expecting
    may_start.set()
    start = pools.Worker

    def broken():
        raise SourceError("no process can be started")

    monkeypatch.setattr(pools, "Worker", broken)
    pool.expect(lambda worker: None)
    assert soon(lambda: pool._ahead.done)
    monkeypatch.setattr(pools, "Worker", start)
    with pool.worker(pool.register()) as worker:
        assert [worker] == made
