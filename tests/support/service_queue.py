"""A queue in a folder of a test, with documents whose text is known."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from page_server import marked_pdf, text_of

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.service import Job, JobOptions, JobQueue, ReaderSettings, ServiceLimits

__all__ = ["ALICE", "BOB", "document_of", "new_queue", "recording", "result_of", "submit", "until"]

ALICE, BOB = "alice", "bob"

PATIENCE = 60.0
"""Seconds after which a test gives up; the machine may be busy."""


def recording(folder: Path, pages: int) -> ReaderSettings:
    """Settings that replay the text of that many pages of any document."""
    path = folder / "recording.jsonl"
    lines = [json.dumps({"page": n, "text": text_of(n)}) for n in range(1, pages + 1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return ReaderSettings(backend=f"replay:{path}")


def new_queue(folder: Path, settings: ReaderSettings | None = None, **limits: float) -> JobQueue:
    """A queue that has not been started, with limits that suit a test."""
    limits = {"free_bytes": 1, **limits}
    return JobQueue(folder / "data", settings, ServiceLimits(**limits))  # type: ignore[arg-type]


def submit(
    queue: JobQueue,
    pages: int | bytes = 3,
    *,
    owner: str = ALICE,
    options: JobOptions | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Submit a PDF with this many pages, or these bytes."""
    content = marked_pdf(pages) if isinstance(pages, int) else pages
    upload = queue.new_upload(owner, "report.pdf", "application/pdf")
    queue.write_upload(owner, upload.id, [content])
    return queue.submit(owner, upload.id, options, idempotency_key)


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def result_of(queue: JobQueue, job: Job) -> Job:
    """The job once it has ended."""
    end = time.monotonic() + PATIENCE
    while not job.state.ended:
        assert time.monotonic() < end, f"{job.state} with {job.pages_done} pages"
        job = queue.wait(job.owner, job.id, job.version, 5.0)
    return job


def document_of(settings: ReaderSettings, content: bytes) -> list[dict[str, object]]:
    """The pages that the reader alone gives, as the service stores them."""
    with Reader(settings.backend, cache=False) as reader:
        return [page.to_dict() for page in reader.iter_pages(content, name="report.pdf")]
