"""The service as it runs: its app behind uvicorn in a thread, over a job queue in a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.api.app import create_app
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

__all__ = ["ANNA", "BERT", "KEYS", "RunningService", "running_app", "running_service"]

ANNA = "anna-0123456789-0123456789-0123456789"
BERT = "bert-0123456789-0123456789-0123456789"
KEYS = ApiKeys.parse((f"anna:{ANNA}", f"bert:{BERT}"), source="the tests")


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
def running_service(
    folder: Path, settings: ApiSettings | None = None, limits: ServiceLimits | None = None
) -> Iterator[RunningService]:
    """A service with the built-in reader and the keys of Anna and Bert."""
    with (
        JobQueue(folder, ReaderSettings(backend="lite"), limits) as queue,
        running_app(queue, settings or ApiSettings(keys=KEYS)) as url,
    ):
        yield RunningService(url, queue)


@contextmanager
def running_app(queue: JobQueue, settings: ApiSettings) -> Iterator[str]:
    """The app over a queue that was started; gives its address."""
    config = uvicorn.Config(
        create_app(queue, settings),
        host="127.0.0.1",
        port=0,
        ws="none",
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
