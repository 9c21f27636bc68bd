"""The disk is full: errors have their type, and no page or job is lost when there is space again."""

from __future__ import annotations

import pytest
from service_queue import ALICE, new_queue, recording, result_of, submit, until

from deepseek_ocr_rag import errors
from deepseek_ocr_rag.service import JobState
from deepseek_ocr_rag.service.store import database, schema


@pytest.fixture
def limited(monkeypatch):
    """Let SQLite refuse to grow beyond this many pages, as it does on a full disk (SQLITE_FULL)."""
    connections = []

    def open_connection(path, *, read_only=False):
        connection = schema.open_connection(path, read_only=read_only)
        if not read_only:
            connections.append(connection)
        return connection

    monkeypatch.setattr(database, "open_connection", open_connection)

    def limit(pages):
        connections[-1].execute(f"PRAGMA max_page_count = {pages}").fetchone()

    return limit


def test_a_full_disk_refuses_jobs_and_keeps_those_that_were_answered(tmp_path, limited):
    queue = new_queue(tmp_path)
    answered = []
    limited(60)

    def submit_many():
        for _ in range(1000):
            answered.append(submit(queue, 1).id)

    with pytest.raises(errors.StoreFullError, match="no space") as full:
        submit_many()
    assert full.value.retry_after
    assert answered
    queue.close()
    with new_queue(tmp_path, recording(tmp_path, 1)) as queue:
        jobs = [queue.get(ALICE, job) for job in answered]
        assert {result_of(queue, job).state for job in jobs} == {JobState.SUCCEEDED}


def test_pages_wait_for_space(tmp_path, limited):
    with new_queue(tmp_path, recording(tmp_path, 300)) as queue:
        until(lambda: queue.ready().ready)
        limited(45)
        job = submit(queue, 300)
        until(lambda: "no space" in queue.ready().reason)
        stuck = queue.get(ALICE, job.id)
        assert stuck.state is JobState.RUNNING
        limited(2**30)
        done = result_of(queue, job)
        assert (done.state, done.pages_done, done.pages_failed) == (JobState.SUCCEEDED, 300, 0)
        assert queue.stats().engine_starts == 1
