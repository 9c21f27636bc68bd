"""A client closes its connection while it waits: nobody goes on reading, or answering, for it."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fake_ollama import FakeModel, Ollama024, Written
from page_server import PageServer, marked_pdf
from running_service import ANNA, KEYS, RunningService, running_service
from service_queue import submit, until

from deepseek_ocr_rag.service import ReaderSettings
from deepseek_ocr_rag.service.api.api_settings import ApiSettings

pytestmark = pytest.mark.long

OWNER = "anna"
DOCUMENT = marked_pdf(300)
FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.pdf"\r\n'
    b"Content-Type: application/pdf\r\n\r\n" + DOCUMENT + b"\r\n--edge--\r\n"
)
DATA_URL = "data:application/pdf;base64," + base64.b64encode(DOCUMENT).decode()
DOORS = {
    "open webui": ("PUT /process", "application/pdf", DOCUMENT),
    "docling": ("POST /v1/convert/file", "multipart/form-data; boundary=edge", FORM),
    "docling, JSON": (
        "POST /v1/convert/source",
        "application/json",
        json.dumps(
            {
                "sources": [
                    {
                        "kind": "file",
                        "filename": "a.pdf",
                        "base64_string": base64.b64encode(DOCUMENT).decode(),
                    }
                ]
            }
        ).encode(),
    ),
    "mistral": (
        "POST /v1/ocr",
        "application/json",
        json.dumps({"document": {"type": "document_url", "document_url": DATA_URL}}).encode(),
    ),
}


def sent(url: str, route: str, media_type: str, body: bytes, accept: str = "*/*") -> socket.socket:
    """A connection that has sent a request, and waits for the reply."""
    address = urlsplit(url)
    connection = socket.create_connection((str(address.hostname), int(address.port or 0)), 60)
    head = (
        f"{route} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {ANNA}\r\n"
        f"X-Filename: a.pdf\r\nContent-Type: {media_type}\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    with PageServer(seconds=0.2) as made:
        yield made


@pytest.fixture(scope="module")
def slow(server: PageServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service for which 300 pages take a minute."""
    reader = ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1)
    with running_service(tmp_path_factory.mktemp("slow") / "data", reader=reader) as service:
        yield service


def jobs(service: RunningService) -> int:
    return len(service.queue.list(OWNER).jobs)


@pytest.mark.parametrize("door", DOORS)
def test_the_job_of_a_client_that_hung_up_is_gone(
    slow: RunningService, server: PageServer, door: str
) -> None:
    server.asked.clear()
    with sent(slow.url, *DOORS[door]):
        until(lambda: server.asked)
        assert jobs(slow) == 1
    until(lambda: jobs(slow) == 0)
    assert len(server.asked) < 300
    assert slow.queue.uploads(OWNER) == ()
    # Nothing of it is left for which another would have to wait.
    short = submit(slow.queue, 1, owner=OWNER)
    until(lambda: slow.queue.get(OWNER, short.id).state.ended)
    assert len(server.asked) < 300
    slow.queue.delete(OWNER, short.id)


def test_a_job_for_which_another_client_waits_goes_on(
    slow: RunningService, server: PageServer
) -> None:
    route, media_type, _ = DOORS["open webui"]
    document = marked_pdf(8, first=400)
    server.asked.clear()
    replies: list[httpx.Response] = []

    def wait() -> None:
        headers = {"Authorization": f"Bearer {ANNA}", "X-Filename": "a.pdf"}
        headers["Content-Type"] = media_type
        put = httpx.put(f"{slow.url}/process", content=document, headers=headers, timeout=120)
        replies.append(put)

    with sent(slow.url, route, media_type, document):
        until(lambda: server.asked)
        other = threading.Thread(target=wait)
        other.start()
        # Its upload is the second one, and its request then waits for the same job.
        until(lambda: len(slow.queue.uploads(OWNER)) == 2)
    other.join(120)
    assert [reply.status_code for reply in replies] == [200]
    assert len(replies[0].json()) == 8
    assert sorted(server.asked) == list(range(400, 408))
    assert jobs(slow) == 0


def test_a_job_that_is_polled_goes_on(slow: RunningService, server: PageServer) -> None:
    """Who asks for the state of a job has its id, and may ask again."""
    job = submit(slow.queue, marked_pdf(12, first=500), owner=OWNER)
    path = f"GET /v1/jobs/{job.id}?wait=50"
    with sent(slow.url, path, "text/plain", b""):
        until(lambda: slow.queue.get(OWNER, job.id).pages_done)
    until(lambda: slow.queue.get(OWNER, job.id).state.ended)
    assert slow.queue.get(OWNER, job.id).pages_done == 12
    slow.queue.delete(OWNER, job.id)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_an_answer_for_which_nobody_waits_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    def writes(body: object) -> Written:
        return Written("The lamp burns oil. " * 200, pause=0.05)

    with Ollama024(tmp_path, FakeModel("talker:latest", None, writes)) as ollama:
        monkeypatch.setenv("OLLAMA_HOST", ollama.url)
        settings = ApiSettings(keys=KEYS, llm="ollama/talker:latest", answers_at_once=1)
        reader = ReaderSettings(backend=_recorded(tmp_path))
        with running_service(tmp_path / "data", settings, reader=reader) as service:
            job = submit(service.queue, 1, owner=OWNER)
            until(lambda: service.queue.get(OWNER, job.id).state.ended)
            body = json.dumps({"question": "What burns the lamp?", "jobs": [job.id]}).encode()
            for asked in (1, 2):
                with sent(service.url, "POST /v1/ask", "application/json", body, accept):
                    # The second one gets the only place, which the first one has left.
                    until(lambda count=asked: len(ollama.asked("/api/chat")) == count)  # type: ignore[misc]
                until(lambda count=asked: ollama.stopped == count)  # type: ignore[misc]


def _recorded(folder: Path) -> str:
    page = {"page": 1, "text": "The lamp burns 40 litres of oil a month."}
    (folder / "recording.jsonl").write_text(json.dumps(page), "utf-8")
    return f"replay:{folder / 'recording.jsonl'}"
