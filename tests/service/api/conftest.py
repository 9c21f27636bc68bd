"""A service over a real queue that replays the sample's pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_service import finished, recording, send, serving

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    """A queue whose engine replays three pages."""
    folder = tmp_path_factory.mktemp("service")
    reader = ReaderSettings(backend=recording(folder / "recording.jsonl"))
    with JobQueue(folder / "data", reader, ServiceLimits()) as started:
        yield started


@pytest.fixture(scope="module")
def http(queue: JobQueue) -> Iterator[httpx.Client]:
    """A client of the service."""
    with serving(queue) as client:
        yield client


@pytest.fixture(scope="module")
def sample() -> Path:
    from deepseek_ocr_rag import sample_path

    return Path(sample_path())


@pytest.fixture(scope="module")
def read_job(http: httpx.Client, sample: Path) -> str:
    """The id of a job that has ended well."""
    job = finished(http, send(http, sample)["id"])
    assert job["status"] == "succeeded"
    return str(job["id"])
