"""The service's HTTP server in a thread of this process, over a real queue."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from waiting import LONG

from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.api.app import create_app
from deepseek_ocr_rag.service.http_server import HttpServer
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits
from deepseek_ocr_rag.service.serving import listening_socket

ANNA = "anna-0123456789-0123456789-0123456789"
BERT = "bert-0123456789-0123456789-0123456789"
KEYS = ApiKeys.parse((f"anna:{ANNA}", f"bert:{BERT}"), source="the tests")

PAGES = (
    ("The lighthouse was built in 1871.", "The tower is 31 metres high."),
    ("Anna Berg keeps the lamp.", "She signed the letter in May."),
    ("The lamp burns 40 litres of oil a month.", "Oil is brought by boat."),
)
"""What the recording below says of the three pages of the sample."""


def recording(file: Path, pages: tuple[tuple[str, ...], ...] = PAGES) -> str:
    """Write replies in the model's grammar; returns the name of the backend that replays them."""
    lines = []
    for number, paragraphs in enumerate(pages, start=1):
        text = "\n\n".join(
            f"<|ref|>text<|/ref|><|det|>[[100, {100 + 200 * i}, 900, {200 + 200 * i}]]<|/det|>\n{p}"
            for i, p in enumerate(paragraphs)
        )
        lines.append(json.dumps({"page": number, "text": text}))
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return f"replay:{file}"


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that listens.

    Attributes:
        url: Where, without a slash at the end.
        queue: Its jobs.
    """

    url: str
    queue: JobQueue


@contextmanager
def running_app(
    queue: JobQueue,
    settings: ApiSettings | None = None,
    extend: Callable[[FastAPI], object] = lambda app: None,
    *,
    port: int = 0,
) -> Iterator[str]:
    """The server over a queue that was started; gives its address."""
    app = create_app(queue, settings)
    extend(app)
    listener = listening_socket("127.0.0.1", port)
    port = listener.getsockname()[1]
    server = HttpServer(app, queue, drain_seconds=5.0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(LONG)
        assert not thread.is_alive()


@contextmanager
def serving(
    queue: JobQueue,
    settings: ApiSettings | None = None,
    extend: Callable[[FastAPI], object] = lambda app: None,
    *,
    port: int = 0,
    **client: Any,
) -> Iterator[httpx.Client]:
    """A client of a server over a queue."""
    with (
        running_app(queue, settings, extend, port=port) as url,
        httpx.Client(base_url=url, trust_env=False, **{"timeout": LONG, **client}) as http,
    ):
        yield http


@contextmanager
def running_service(
    folder: Path,
    settings: ApiSettings | None = None,
    limits: ServiceLimits | None = None,
    *,
    reader: ReaderSettings | None = None,
) -> Iterator[RunningService]:
    """A service with the built-in reader, unless another is given, and the keys of Anna and Bert."""
    with (
        JobQueue(folder, reader or ReaderSettings(backend="lite"), limits) as queue,
        running_app(queue, settings or ApiSettings(keys=KEYS)) as url,
    ):
        yield RunningService(url, queue)


def send(http: httpx.Client, document: Path, **fields: str) -> dict[str, Any]:
    """Send a document; returns the job."""
    with document.open("rb") as file:
        reply = http.post(
            "/v1/jobs", files={"file": (document.name, file, "application/pdf")}, data=fields
        )
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    return job


def finished(http: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job when it has ended."""
    for _ in range(10):
        reply = http.get(f"/v1/jobs/{job_id}", params={"wait": 50})
        assert reply.status_code == 200, reply.text
        job: dict[str, Any] = reply.json()
        if job["status"] not in ("queued", "running"):
            return job
    raise AssertionError(f"it did not end in time: {job}")


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Server-sent events: kind, id and data of each."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line and fields:
            yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
