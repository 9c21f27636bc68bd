"""The sample, one of whose pages is a scan, through all doors at once, each by its own client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from docling_client import DOCLING_WARNS, DoclingServiceClient, StatusWatcherKind, streamed
from docling_core.types.doc import DoclingDocument
from mistralai.client import Mistral
from mistralai.client.models import OCRPageObject
from running_service import ANNA, RunningService

pytestmark = [pytest.mark.long, DOCLING_WARNS]

SECONDS = 900
"""The scan needs OCR, which takes long on a busy machine."""


def with_docling(url: str, file: Path) -> DoclingDocument:
    polling = StatusWatcherKind.POLLING
    with DoclingServiceClient(
        url, api_key=ANNA, status_watcher=polling, job_timeout=SECONDS
    ) as client:
        document: DoclingDocument = client.convert(streamed(file)).document
        return document


def with_open_webui(url: str, file: Path) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {ANNA}", "X-Filename": "sample.pdf"}
    reply = httpx.put(f"{url}/process", content=file.read_bytes(), headers=headers, timeout=SECONDS)
    pages: list[dict[str, Any]] = reply.json()
    return pages


def with_mistral(url: str, file: Path) -> list[OCRPageObject]:
    with Mistral(api_key=ANNA, server_url=url, timeout_ms=SECONDS * 1000) as client:
        content = {"file_name": "sample.pdf", "content": file.read_bytes()}
        sent = client.files.upload(file=content, purpose="ocr").id
        pages = client.ocr.process(model="m", document={"type": "file", "file_id": sent}).pages
        client.files.delete(file_id=sent)
        return pages


def test_the_sample_is_read_through_the_routes_of_all_clients(
    service: RunningService, sample_pdf: Path
) -> None:
    with ThreadPoolExecutor(3) as at_once:
        begun = [
            at_once.submit(client, service.url, sample_pdf)
            for client in (with_docling, with_open_webui, with_mistral)
        ]
        converted, loaded, read = (each.result() for each in begun)
    assert [page["metadata"]["page"] for page in loaded] == [0, 1, 2]
    assert [page.index for page in read] == [0, 1, 2]
    assert {item.prov[0].page_no for item in converted.texts if item.prov} == {1, 2, 3}
    scan = loaded[1]["page_content"]
    assert len(scan) > 200
    assert read[1].markdown == scan
    words = {word for item in converted.texts for word in item.text.split()}
    assert len(set(scan.split()) & words) > len(set(scan.split())) / 2
