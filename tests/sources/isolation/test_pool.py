"""Who gets which worker, and when workers are started."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deepseek_ocr_rag.sources.isolation import pool as pools
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool

LONG = 20.0


class Startable:
    """A worker whose start is seen, and waits until it may end."""

    alive = True

    def __init__(self, made, begins, may_start):
        self.documents = set()
        if made:
            begins.set()
            assert may_start.wait(LONG)
        made.append(self)

    def stop(self):
        pass


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
