"""Looks at a job, without a server: where they are answered."""

from __future__ import annotations

import httpx
import pytest

from deepseek_ocr_rag.service import JobQueue
from deepseek_ocr_rag.service.api import job_routes
from deepseek_ocr_rag.service.api.app import create_app
from deepseek_ocr_rag.service.store import queue_order


@pytest.fixture
def waiting(tmp_path, sample_pdf):
    """A queue that was just opened, and the id of a job that waits in it."""
    queue = JobQueue(tmp_path / "data")
    upload = queue.new_upload("local", "sample.pdf", "application/pdf")
    queue.write_upload("local", upload.id, [sample_pdf.read_bytes()])
    job = queue.submit("local", upload.id)
    queue.close()
    queue = JobQueue(tmp_path / "data")
    yield queue, job.id
    queue.close()


async def test_a_job_is_looked_at_in_a_thread_only_if_waiting_jobs_must_be_sorted(
    waiting, monkeypatch
):
    monkeypatch.setattr(queue_order, "FRESH_SECONDS", 600.0)
    in_threads = []
    look = job_routes.look

    async def noted(work, *arguments, **named):
        in_threads.append(arguments)
        return await look(work, *arguments, **named)

    monkeypatch.setattr(job_routes, "look", noted)
    queue, job_id = waiting
    queue._order._made = -1e9  # as long after the last look
    app = create_app(queue)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8765"
        ) as http,
    ):
        replies = [await http.get(f"/v1/jobs/{job_id}") for _ in range(3)]
        missing = await http.get("/v1/jobs/none")
    assert [reply.status_code for reply in replies] == [200] * 3
    assert [reply.json()["queue_position"] for reply in replies] == [1] * 3
    assert in_threads == [("local", job_id)]
    assert missing.status_code == 404
