"""Requests that wait for their document: their time, and what they leave behind."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
from service_server import ANNA, KEYS, running_service

from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.jobs import JobState

HEADERS = {"Authorization": f"Bearer {ANNA}", "X-Filename": "a.pdf"}


def put(url: str, document: bytes) -> httpx.Response:
    return httpx.put(f"{url}/process", content=document, headers=HEADERS, timeout=120)


def test_a_document_that_takes_too_long_is_there_when_it_is_sent_again(
    tmp_path: Path, printed_pdf: Path
) -> None:
    hasty = ApiSettings(keys=KEYS, longest_reading=0.01)
    with running_service(tmp_path / "data", hasty) as service:
        reply = put(service.url, printed_pdf.read_bytes())
        assert reply.status_code == 504
        assert "send the same document again" in reply.json()["detail"]
        (job,) = service.queue.list("anna").jobs
        while not job.state.ended:
            job = service.queue.wait("anna", job.id, job.version, 60)
        assert job.state is JobState.SUCCEEDED
        again = put(service.url, printed_pdf.read_bytes())
        assert again.status_code == 200
        assert [page["metadata"]["page"] for page in again.json()] == [0, 1]
        assert service.queue.stats().pages_read == 2
        assert service.queue.list("anna").jobs == ()


def test_requests_with_one_document_share_its_reading(tmp_path: Path, printed_pdf: Path) -> None:
    with running_service(tmp_path / "data") as service:
        replies: list[httpx.Response] = []
        document = printed_pdf.read_bytes()
        threads = [
            threading.Thread(target=lambda: replies.append(put(service.url, document)))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [reply.status_code for reply in replies] == [200] * 6
        assert len({reply.text for reply in replies}) == 1
        assert service.queue.list("anna").jobs == ()
        assert service.queue.uploads("anna") == ()
