"""Requests that wait for their document: their time, what they leave behind, URLs they name."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from running_service import ANNA, KEYS, running_service

from deepseek_ocr_rag import FetchPolicy
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


def test_where_urls_are_allowed_the_routes_of_all_clients_take_one(
    tmp_path: Path, printed_pdf: Path
) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=printed_pdf.parent)
    files = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{files.server_port}/printed.pdf"
    policy = FetchPolicy(allow_http=True, allow_private=True)
    try:
        with running_service(tmp_path / "data", ApiSettings(keys=KEYS, urls=policy)) as service:

            def post(path: str, body: object) -> httpx.Response:
                return httpx.post(f"{service.url}{path}", json=body, headers=HEADERS, timeout=120)

            converted = post("/v1/convert/source", {"sources": [{"kind": "http", "url": url}]})
            assert converted.json()["document"]["filename"] == "printed.pdf"
            assert len(converted.json()["document"]["md_content"]) > 500
            read = post("/v1/ocr", {"document": {"type": "document_url", "document_url": url}})
            assert [page["index"] for page in read.json()["pages"]] == [0, 1]
            gone = post("/v1/convert/source", {"sources": [{"kind": "http", "url": f"{url}x"}]})
            assert gone.status_code == 422
            assert "404" in gone.json()["detail"]
            assert service.queue.uploads("anna") == ()
    finally:
        files.shutdown()
        files.server_close()
