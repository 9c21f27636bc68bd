"""Submitting, finding, listing, waiting, cancelling and removing jobs."""

from __future__ import annotations

import json
import sqlite3
import statistics
import threading
import time

import pytest
from page_server import marked_pdf
from service_queue import ALICE, BOB, document_of, new_queue, recording, result_of, submit, until

from deepseek_ocr_rag import errors
from deepseek_ocr_rag.service import CallbackTarget, JobOptions, JobState


@pytest.fixture
def queue(tmp_path):
    """A queue that is not started: its jobs wait."""
    queue = new_queue(tmp_path)
    yield queue
    queue.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A queue that reads documents of up to ten pages from a recording."""
    folder = tmp_path_factory.mktemp("running")
    settings = recording(folder, 10)
    with new_queue(folder, settings) as queue:
        yield queue, settings


def test_a_job_gives_the_pages_that_the_reader_gives(running):
    queue, settings = running
    job = result_of(queue, submit(queue, 7))
    assert (job.state, job.pages_done, job.pages_total) == (JobState.SUCCEEDED, 7, 7)
    pages = queue.pages(ALICE, job.id)
    assert [page.sequence for page in pages] == [*range(1, 8)]
    read = [json.loads(page.json) for page in queue.pages_in_order(ALICE, job.id)]
    for page in read:
        for block in page["blocks"]:
            block["boxes"] = [[round(value, 6) for value in box] for box in block["boxes"]]
    expected = json.loads(json.dumps(document_of(settings, marked_pdf(7))))
    assert read == expected


def test_a_selection_of_pages_is_read(running):
    queue, _ = running
    job = result_of(queue, submit(queue, 7, options=JobOptions(pages="2,5-6")))
    assert [page.number for page in queue.pages(ALICE, job.id)] == [2, 5, 6]
    assert (job.pages_total, job.document_pages) == (3, 7)
    assert [page.number for page in queue.pages(ALICE, job.id, after_sequence=1, limit=1)] == [5]
    assert queue.page(ALICE, job.id, 6).sequence == 3
    with pytest.raises(errors.JobNotFoundError, match="page 3"):
        queue.page(ALICE, job.id, 3)


def test_a_page_that_fails_makes_the_job_partial(running):
    queue, _ = running
    job = result_of(queue, submit(queue, 12))
    assert (job.state, job.pages_done, job.pages_failed) == (JobState.PARTIAL, 12, 2)
    assert job.error is not None
    assert job.error.page == 11
    assert "was recorded" in job.error.message
    assert [page.number for page in queue.pages(ALICE, job.id) if page.failed] == [11, 12]


def test_a_document_that_cannot_be_opened_fails_with_the_readers_error(running):
    queue, _ = running
    job = result_of(queue, submit(queue, b"%PDF-1.7 no more than this"))
    assert (job.state, job.pages_done) == (JobState.FAILED, 0)
    assert job.error is not None
    assert job.error.type == "CorruptSourceError"
    assert job.error.remedy


def test_a_page_selection_beyond_the_document_fails_the_job(running):
    queue, _ = running
    job = result_of(queue, submit(queue, 2, options=JobOptions(pages="3")))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.type == "PageRangeError"


@pytest.mark.parametrize(
    "wrong", [{"task": "dance"}, {"resolution": "huge"}, {"pages": "9-1"}, {"name": "n" * 256}]
)
def test_options_are_checked_before_anything_is_stored(wrong):
    with pytest.raises(errors.DeepSeekOCRError):
        JobOptions(**wrong)


def test_a_job_of_another_key_is_not_found(queue):
    job = submit(queue)
    for act in (queue.get, queue.cancel, queue.delete, queue.pages):
        with pytest.raises(errors.JobNotFoundError):
            act(BOB, job.id)
    assert queue.list(BOB).jobs == ()
    assert queue.get(ALICE, job.id).state is JobState.QUEUED


def test_jobs_are_listed_newest_first_in_parts(queue):
    jobs = [submit(queue, 1).id for _ in range(5)]
    queue.cancel(ALICE, jobs[2])
    first = queue.list(ALICE, limit=3)
    rest = queue.list(ALICE, after=first.next_cursor, limit=3)
    assert [job.id for job in (*first.jobs, *rest.jobs)] == jobs[::-1]
    assert rest.next_cursor is None
    assert [job.id for job in queue.list(ALICE, [JobState.CANCELLED]).jobs] == [jobs[2]]
    with pytest.raises(errors.ConfigurationError, match="cursor"):
        queue.list(ALICE, after="1; DROP TABLE jobs")


def test_the_same_idempotency_key_gives_the_same_job(queue):
    first = submit(queue, 2, idempotency_key="k")
    assert submit(queue, 2, idempotency_key="k").id == first.id
    assert submit(queue, 2, owner=BOB, idempotency_key="k").id != first.id
    with pytest.raises(errors.IdempotencyError):
        submit(queue, 3, idempotency_key="k")
    with pytest.raises(errors.IdempotencyError):
        submit(queue, 2, options=JobOptions(pages="1"), idempotency_key="k")
    assert len(queue.list(ALICE).jobs) == 1


def test_waiting_jobs_are_limited_in_all_and_for_each_key(tmp_path):
    queue = new_queue(tmp_path, jobs_waiting=3, owner_jobs_waiting=2)
    try:
        known = submit(queue, idempotency_key="k")
        submit(queue)
        with pytest.raises(errors.QuotaError) as refused:
            submit(queue)
        assert refused.value.retry_after
        submit(queue, owner=BOB)
        with pytest.raises(errors.QueueFullError):
            submit(queue, owner="carol")
        # What was answered once is answered again, also now.
        assert submit(queue, idempotency_key="k").id == known.id
    finally:
        queue.close()


def test_positions_take_turns_between_keys(queue):
    alice = [submit(queue, 1) for _ in range(3)]
    bob = submit(queue, 1, owner=BOB)
    time.sleep(1.1)  # the order is at most a second old
    positions = [queue.get(ALICE, job.id).queue_position for job in alice]
    assert queue.get(BOB, bob.id).queue_position == 2
    assert positions == [1, 3, 4]


def test_wait_returns_with_a_change_or_after_its_time(queue):
    job = submit(queue)
    begun = time.monotonic()
    assert queue.wait(ALICE, job.id, job.version, 0.2).version == job.version
    assert time.monotonic() - begun >= 0.2
    threading.Timer(0.2, queue.cancel, (ALICE, job.id)).start()
    assert queue.wait(ALICE, job.id, job.version, 30).state is JobState.CANCELLED


def test_listeners_are_told_after_the_change_was_stored(queue):
    states = []

    def listener(job_id):
        states.append(queue.get(ALICE, job_id).state)

    job = submit(queue)
    queue.add_listener(listener)
    queue.cancel(ALICE, job.id)
    assert states == [JobState.CANCELLED]
    queue.remove_listener(listener)
    queue.delete(ALICE, job.id)
    assert states == [JobState.CANCELLED]


def test_a_job_that_has_ended_cannot_be_cancelled(queue):
    job = submit(queue)
    assert queue.cancel(ALICE, job.id).ended is not None
    with pytest.raises(errors.JobEndedError):
        queue.cancel(ALICE, job.id)


def test_deleting_removes_every_trace_but_that_there_was_a_job(running, tmp_path_factory):
    queue, _ = running
    content = marked_pdf(8)
    job = result_of(queue, submit(queue, content))
    (path,) = tmp_path_factory.getbasetemp().glob(f"running[0-9]*/data/*/*/{job.sha256}")
    folder = path.parents[2]
    assert path.read_bytes() == content
    queue.delete(ALICE, job.id)
    assert not path.exists()
    for act in (queue.get, queue.delete, queue.pages):
        with pytest.raises(errors.JobExpiredError):
            act(ALICE, job.id)
    with pytest.raises(errors.JobNotFoundError):
        queue.get(BOB, job.id)
    until(lambda: not list((folder / "incoming").iterdir()))
    for file in folder.iterdir():
        if file.is_file():
            assert job.sha256.encode() not in file.read_bytes()


def test_a_result_expires(tmp_path):
    with new_queue(tmp_path, recording(tmp_path, 3), result_days=1e-9) as queue:
        job = submit(queue)
        (path,) = tmp_path.glob(f"data/*/*/{job.sha256}")
        until(lambda: queue.stats().jobs[JobState.SUCCEEDED])
        queue.remove_expired()
        with pytest.raises(errors.JobExpiredError):
            queue.get(ALICE, job.id)
        assert not path.exists()


def test_a_tombstone_is_kept_for_its_time(tmp_path):
    queue = new_queue(tmp_path, tombstone_days=1e-9)
    job = submit(queue)
    queue.delete(ALICE, job.id)
    queue.remove_expired()
    with pytest.raises(errors.JobNotFoundError):
        queue.get(ALICE, job.id)
    queue.close()


def test_a_callback_is_due_when_the_job_has_ended(queue):
    target = CallbackTarget("https://example.org/done", secret="s")
    job = submit(queue, options=JobOptions(callback=target))
    assert queue.due_callbacks() == ()
    queue.cancel(ALICE, job.id)
    (due,) = queue.due_callbacks()
    assert (due.job, due.target, due.attempts) == (job.id, target, 0)
    queue.callback_failed(job.id, time.time() - 1)
    assert queue.due_callbacks()[0].attempts == 1
    queue.callback_done(job.id)
    assert queue.due_callbacks() == ()


def test_secrets_are_gone_when_the_job_has_ended(queue, tmp_path):
    job = submit(queue, options=JobOptions(password="xyzzy"))
    assert queue.get(ALICE, job.id).options.password is None
    queue.cancel(ALICE, job.id)
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite3") as database:
        assert "xyzzy" not in "".join(map(str, database.execute("SELECT * FROM jobs")))


def test_10_000_waiting_jobs_are_listed_in_100_ms(queue, tmp_path):
    job = submit(queue)
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite3") as database:
        columns = "owner, state, upload, name, media_type, sha256, size, options, created"
        database.execute(
            f"INSERT INTO jobs (id, rank, {columns}) SELECT 'j' || value, value + 2, {columns}"
            " FROM jobs, (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1"
            " FROM n WHERE value < 9999) SELECT value FROM n)"
        )
    time.sleep(1.1)
    taken = []
    for _ in range(5):
        begun = time.thread_time()
        listed = queue.list(ALICE, [JobState.QUEUED], limit=50)
        taken.append(time.thread_time() - begun)
        assert listed.jobs[0].queue_position == 10_000
        time.sleep(0.4)
    # Not the slowest: in a long run, Python's collector of garbage may pause one of them for seconds.
    assert statistics.median(taken) < 0.1
    assert queue.get(ALICE, job.id).queue_position == 1
