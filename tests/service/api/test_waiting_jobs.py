"""Jobs that have not ended: the queue of these tests was not started, so nothing is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_service import events, send, serving
from waiting import LONG

from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

MOST_WAITING = 12


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    limits = ServiceLimits(jobs_waiting=MOST_WAITING, upload_bytes=1_000_000)
    queue = JobQueue(tmp_path_factory.mktemp("idle"), ReaderSettings(backend="lite"), limits)
    settings = ApiSettings(heartbeat=0.1, upload_bytes=1_000_000, longest_wait=1.0)
    try:
        with serving(queue, settings) as client:
            yield client
    finally:
        queue.close()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[httpx.Client]:
    """A service in which a client may wait for longer than any test."""
    queue = JobQueue(tmp_path / "patient", ReaderSettings(backend="lite"))
    try:
        with serving(queue, ApiSettings(longest_wait=5 * LONG), timeout=6 * LONG) as client:
            yield client
    finally:
        queue.close()


@pytest.fixture
def waiting(idle: httpx.Client, sample: Path) -> Iterator[str]:
    job = send(idle, sample)
    yield f"/v1/jobs/{job['id']}"
    idle.delete(f"/v1/jobs/{job['id']}", params={"remove": True})


def test_a_waiting_job_has_its_place(idle: httpx.Client, waiting: str) -> None:
    reply = idle.get(waiting)
    assert (reply.json()["status"], reply.json()["queue_position"]) == ("queued", 1)
    assert int(reply.headers["retry-after"]) >= 1


def test_waiting_ends_after_its_time(idle: httpx.Client, waiting: str) -> None:
    begun = time.monotonic()
    assert idle.get(waiting, params={"wait": 0.3}).json()["status"] == "queued"
    assert time.monotonic() - begun >= 0.25


def test_nobody_waits_longer_than_the_service_allows(idle: httpx.Client, waiting: str) -> None:
    begun = time.monotonic()
    assert idle.get(waiting, params={"wait": 600}).status_code == 200
    assert time.monotonic() - begun < LONG


@pytest.mark.parametrize("path", ["/result", "/pages/1", "/pages/1.png?boxes=true"])
def test_what_is_not_there_yet_comes_later(idle: httpx.Client, waiting: str, path: str) -> None:
    reply = idle.get(f"{waiting}{path}")
    assert (reply.status_code, reply.headers["content-type"]) == (409, "application/problem+json")
    assert int(reply.headers["retry-after"]) >= 1


def test_a_page_can_be_seen_before_it_is_read(idle: httpx.Client, waiting: str) -> None:
    assert idle.get(f"{waiting}/pages/1.png?long_side=64").content[:4] == b"\x89PNG"


def test_cancelling_wakes_everybody_who_waits(patient: httpx.Client, sample: Path) -> None:
    job = f"/v1/jobs/{send(patient, sample)['id']}"
    replies: list[httpx.Response] = []
    thread = threading.Timer(0.2, lambda: replies.append(patient.delete(job)))
    thread.start()
    begun = time.monotonic()
    found = patient.get(job, params={"wait": 5 * LONG}).json()
    thread.join()
    assert found["status"] == replies[0].json()["status"] == "cancelled"
    assert time.monotonic() - begun < LONG
    assert patient.get(f"{job}/result").status_code == 409


def test_a_stream_of_events_shows_that_it_lives(idle: httpx.Client, waiting: str) -> None:
    lines = []
    with idle.stream("GET", f"{waiting}/events") as reply:
        for line in reply.iter_lines():
            lines.append(line)
            if lines.count(": still here") == 2:
                break
    assert "event: job" in lines


def test_a_stream_of_events_ends_when_the_job_is_cancelled(
    idle: httpx.Client, waiting: str
) -> None:
    with idle.stream("GET", f"{waiting}/events") as reply:
        found = events(reply.iter_lines())
        assert next(found)[0] == "job"
        idle.delete(waiting)
        assert [(kind, data["status"]) for kind, _, data in found] == [("end", "cancelled")]


def test_a_stream_of_events_says_that_the_job_was_removed(idle: httpx.Client, waiting: str) -> None:
    with idle.stream("GET", f"{waiting}/events") as reply:
        found = events(reply.iter_lines())
        next(found)
        idle.delete(waiting, params={"remove": True})
        last = list(found)[-1]
    # It is cancelled first, which may be seen.
    assert (last[0], last[2]["status"]) in (("problem", 410), ("end", "cancelled"))


def test_a_full_queue_says_when_to_come_again(idle: httpx.Client, sample: Path) -> None:
    sent = [send(idle, sample)["id"] for _ in range(MOST_WAITING)]
    reply = idle.post("/v1/jobs", files={"file": ("a.pdf", sample.read_bytes())})
    for job in sent:
        idle.delete(f"/v1/jobs/{job}", params={"remove": True})
    assert (reply.status_code, reply.json()["error"]) == (429, "QueueFullError")
    assert int(reply.headers["retry-after"]) >= 1


def test_a_file_that_is_too_large_is_refused(idle: httpx.Client) -> None:
    reply = idle.post("/v1/jobs", files={"file": ("a.pdf", b"%PDF" * 260_000)})
    assert reply.status_code == 413
    upload = idle.post("/v1/uploads", json={"name": "a"}).json()
    pieces = (b"%PDF" * 10_000 for _ in range(26))
    reply = idle.put(upload["content"], content=pieces)
    assert (reply.status_code, reply.json()["error"]) == (413, "UploadTooLargeError")


def test_an_empty_file_is_refused(idle: httpx.Client) -> None:
    assert idle.post("/v1/jobs", files={"file": ("a.pdf", b"")}).status_code in (409, 422)


def test_a_question_over_a_document_that_waits_comes_later(
    idle: httpx.Client, waiting: str
) -> None:
    body = {"question": "Who?", "query": "Who?", "jobs": [waiting.rpartition("/")[2]]}
    for path, drop in (("/v1/ask", "query"), ("/v1/search", "question")):
        reply = idle.post(path, json={k: v for k, v in body.items() if k != drop})
        assert (reply.status_code, reply.json()["error"]) == (503, "BusyError")
        assert int(reply.headers["retry-after"]) >= 1
