"""The reading process ends, hangs or is ended: jobs go on, and no page is read twice."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

import pytest
from page_server import PageServer, marked_pdf
from service_queue import ALICE, BOB, PATIENCE, new_queue, recording, result_of, submit, until

from deepseek_ocr_rag import errors
from deepseek_ocr_rag.service import JobOptions, JobState, ReaderSettings
from deepseek_ocr_rag.service.engine.supervisor import Supervisor

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there"),
]

TINY = JobOptions(resolution="tiny")


@pytest.fixture
def server():
    with PageServer() as made:
        yield made


def reads_from(server, **more):
    return ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1, **more)


def kill_engine(queue):
    pid = queue.stats().engine_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def numbers(queue, job):
    return [page.number for page in queue.pages(job.owner, job.id)]


def test_a_killed_reading_process_goes_on_at_the_page_it_had_reached(tmp_path, server):
    with new_queue(tmp_path, reads_from(server)) as queue:
        undisturbed = result_of(queue, submit(queue, 8, options=TINY))
        expected = [page.json for page in queue.pages(ALICE, undisturbed.id)]
        server.asked.clear()
        server.seconds = 0.05
        job = submit(queue, 8, options=TINY)
        until(lambda: queue.get(ALICE, job.id).pages_done >= 3)
        stored = set(numbers(queue, job))
        kill_engine(queue)
        asked = len(server.asked)
        job = result_of(queue, job)
        assert job.state is JobState.SUCCEEDED
        assert [page.json for page in queue.pages(ALICE, job.id)] == expected
        again = server.asked[asked:]
        assert stored.isdisjoint(again)
        assert len(again) == len(set(again))
        assert queue.stats().engine_deaths == 1


def test_sections_go_on_across_a_restart(tmp_path, server):
    """A heading that an earlier process read is still above the next page's blocks."""
    body = "<|ref|>text<|/ref|><|det|>[[1, 1, 9, 9]]<|/det|>\nThe body."
    head = "<|ref|>sub_title<|/ref|><|det|>[[1, 1, 9, 9]]<|/det|>\n## The head\n\n"
    server.text = lambda mark: head + body if mark == 1 else body
    with new_queue(tmp_path, reads_from(server)) as queue:
        server.on_page = lambda mark: (
            kill_engine(queue) if mark == 2 and server.asked.count(2) == 1 else None
        )
        server.seconds = 0.2
        job = submit(queue, 2, options=TINY)
        until(lambda: queue.get(ALICE, job.id).pages_done)
        result_of(queue, job)
        assert queue.stats().engine_deaths == 1
        (block,) = json.loads(queue.page(ALICE, job.id, 2).json)["blocks"]
        assert block["section"] == ["The head"]


def test_a_page_on_which_the_process_ends_again_and_again_counts_as_failed(tmp_path, server):
    with new_queue(tmp_path, reads_from(server)) as queue:
        server.on_page = lambda mark: kill_engine(queue) if mark == 3 else None
        job = result_of(queue, submit(queue, 5, options=TINY))
        assert (job.state, job.pages_failed) == (JobState.PARTIAL, 1)
        assert numbers(queue, job) == [1, 2, 3, 4, 5]
        page = queue.page(ALICE, job.id, 3)
        assert page.failed
        assert "SIGKILL" in json.loads(page.json)["error"]
        assert job.error is not None
        assert job.error.page == 3
        assert server.asked.count(3) == 3
        assert [server.asked.count(page) for page in (1, 2, 5)] == [1, 1, 1]


def test_other_jobs_go_on_beside_a_page_that_ends_the_process(tmp_path, server):
    with new_queue(tmp_path, reads_from(server)) as queue:
        server.on_page = lambda mark: kill_engine(queue) if mark == 300 else None
        bad = submit(queue, marked_pdf(3, first=299), options=TINY)
        good = [submit(queue, 4, owner=BOB, options=TINY) for _ in range(3)]
        assert {result_of(queue, job).state for job in good} == {JobState.SUCCEEDED}
        assert result_of(queue, bad).pages_failed == 1


def test_cancelling_in_the_middle_of_a_page_takes_a_second(tmp_path, server):
    with new_queue(tmp_path, reads_from(server)) as queue:
        result_of(queue, submit(queue, 1, owner=BOB, options=TINY))
        begun = time.monotonic()
        result_of(queue, submit(queue, 1, owner=BOB, options=TINY))
        usual = time.monotonic() - begun  # more on a busy machine
        server.asked.clear()
        held = threading.Event()
        server.on_page = lambda mark: held.wait(60) if mark == 2 else None
        job = submit(queue, 500, options=TINY)
        until(lambda: 2 in server.asked)
        pid = queue.stats().engine_pid
        begun = time.monotonic()
        assert queue.cancel(ALICE, job.id).state is JobState.CANCELLED
        # The server reads one page at a time, and page 2 is not answered: it was given up.
        assert result_of(queue, submit(queue, 1, owner=BOB, options=TINY)).state.ended
        taken = time.monotonic() - begun
        held.set()
        assert server.asked == [1, 2, 1]
        assert numbers(queue, job) == [1]
        assert queue.get(ALICE, job.id).state is JobState.CANCELLED
        # The process itself gave it up, in less than the second after which it is ended.
        assert queue.stats().engine_pid == pid
        assert taken < 1.0 + 10 * max(usual, 0.2)


def test_a_process_that_ignores_the_cancellation_is_ended_after_a_second(tmp_path, server):
    with new_queue(tmp_path, reads_from(server)) as queue:
        server.seconds = 0.2
        job = submit(queue, 100, options=TINY)
        other = submit(queue, 20, owner=BOB, options=TINY)
        until(lambda: queue.get(ALICE, job.id).pages_done and queue.get(BOB, other.id).pages_done)
        pid = queue.stats().engine_pid
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        queue.cancel(ALICE, job.id)
        until(lambda: queue.stats().engine_pid != pid)
        # Not before the second that it has, and soon after it, also where others compute.
        assert 0.9 < time.monotonic() - begun < 10
        until(lambda: queue.stats().engine_pid is not None)
        server.seconds = 0
        assert result_of(queue, other).state is JobState.SUCCEEDED
        # That we ended it says nothing against the pages that were being read.
        assert queue.get(BOB, other.id).pages_failed == 0
        assert queue.stats().engine_deaths == 0


def test_a_process_that_hangs_is_started_again(tmp_path, server):
    with new_queue(tmp_path, reads_from(server), hang_seconds=10.0) as queue:
        hanging = threading.Event()
        server.on_page = lambda mark: None if server.asked.count(2) > 1 else hold(mark)

        def hold(mark):
            if mark == 2:
                hanging.wait(60)

        job = result_of(queue, submit(queue, 3, options=TINY))
        hanging.set()
        assert job.state is JobState.SUCCEEDED
        assert server.asked.count(1) == 1
        assert queue.stats().engine_starts == 2


def test_a_short_job_waits_for_one_page_of_a_long_one(tmp_path, server, monkeypatch):
    requests = []
    send = Supervisor.request

    def noted(self, message):
        send(self, message)
        requests.append(message["do"])

    monkeypatch.setattr(Supervisor, "request", noted)
    with new_queue(tmp_path, reads_from(server), jobs_at_once=1) as queue:
        allowed = threading.Semaphore(2)
        server.on_page = lambda mark: mark < 900 and allowed.acquire(timeout=PATIENCE)
        long = submit(queue, 200, options=TINY)
        until(lambda: queue.get(ALICE, long.id).pages_done >= 2 and len(server.asked) == 3)
        short = submit(queue, marked_pdf(1, first=900), options=TINY)
        until(lambda: "pause" in requests)
        # One page after the other, each when the one before it is stored.
        while 900 not in server.asked:
            done = queue.get(ALICE, long.id).pages_done
            allowed.release()
            until(
                lambda done=done: queue.get(ALICE, long.id).pages_done > done or 900 in server.asked
            )
        read = server.asked[: server.asked.index(900)]
        # One page that was being read, and one that was on its way.
        assert read in ([1, 2, 3], [1, 2, 3, 4])
        assert result_of(queue, short).state is JobState.SUCCEEDED
        queue.cancel(ALICE, long.id)
        allowed.release(200)


def test_keys_take_turns(tmp_path, server):
    queue = new_queue(tmp_path, reads_from(server), jobs_at_once=1)
    alice = [submit(queue, 1, options=TINY) for _ in range(4)]
    bob = submit(queue, 1, owner=BOB, options=TINY)
    with queue:
        bob = result_of(queue, bob)
        alice = [result_of(queue, job) for job in alice]
    assert sorted([*alice, bob], key=lambda job: job.started).index(bob) <= 1


def test_a_server_that_is_away_is_tried_again_before_a_job_fails(tmp_path, server):
    settings = reads_from(server, wait=0.1, timeout=5.0)
    with new_queue(tmp_path, settings) as queue:
        job = submit(queue, 2, options=TINY)
        assert result_of(queue, job).state is JobState.SUCCEEDED
    with new_queue(tmp_path, ReaderSettings(backend="server:http://127.0.0.1:9/v1")) as queue:
        job = submit(queue, 2, options=TINY)
        until(lambda: not queue.ready().ready and "starting" not in queue.ready().reason)
        assert queue.get(ALICE, job.id).state in (JobState.QUEUED, JobState.RUNNING)


def test_a_backend_that_does_not_start_refuses_new_jobs_and_keeps_those_that_wait(tmp_path):
    settings = ReaderSettings(backend=f"replay:{tmp_path / 'missing.jsonl'}")
    with new_queue(tmp_path, settings) as queue:
        waiting = submit(queue)
        until(lambda: queue.stats().engine_starts >= 3 and queue.stats().engine_deaths >= 3)
        with pytest.raises(errors.EngineFailedError, match=r"missing\.jsonl") as refused:
            submit(queue)
        assert refused.value.retry_after
        assert not queue.ready().ready
        assert "missing.jsonl" in queue.ready().reason
        assert queue.get(ALICE, waiting.id).state is JobState.QUEUED


def test_draining_puts_jobs_back_after_their_page(tmp_path, server):
    server.seconds = 0.05
    queue = new_queue(tmp_path, reads_from(server))
    queue.start()
    job = submit(queue, 30, options=TINY)
    until(lambda: queue.get(ALICE, job.id).pages_done >= 2)
    queue.drain(30)
    assert queue.get(ALICE, job.id).state is JobState.QUEUED
    assert not queue.ready().ready
    with pytest.raises(errors.ServiceClosingError):
        submit(queue)
    done = numbers(queue, job)
    queue.close()
    server.asked.clear()
    with new_queue(tmp_path, reads_from(server)) as queue:
        assert result_of(queue, job).state is JobState.SUCCEEDED
        assert set(done).isdisjoint(server.asked)


def test_the_probe_decides_whether_the_service_is_ready(tmp_path):
    probe = tmp_path / "probe.pdf"
    probe.write_bytes(marked_pdf(1))
    (tmp_path / "empty").mkdir()
    with new_queue(tmp_path, recording(tmp_path, 1)) as queue:
        until(lambda: queue.ready().ready)
    settings = ReaderSettings(recording(tmp_path / "empty", 0).backend, probe=str(probe))
    with new_queue(tmp_path, settings) as queue:
        until(lambda: "test page" in queue.ready().reason)
        assert not queue.ready().ready
