"""The sample, one of whose pages is a scan, through each door as its client sends it."""

from __future__ import annotations

from pathlib import Path

import httpx
from docling_client import DOCLING_WARNS, DoclingServiceClient, StatusWatcherKind, streamed
from mistralai.client import Mistral
from service_server import ANNA, RunningService

from deepseek_ocr_rag import OcrDocument
from deepseek_ocr_rag.export.docling import to_docling


@DOCLING_WARNS
def test_the_sample_comes_through_every_door_as_the_library_reads_it(
    service: RunningService, sample_pdf: Path, expected_sample: OcrDocument
) -> None:
    with DoclingServiceClient(
        service.url, api_key=ANNA, status_watcher=StatusWatcherKind.POLLING
    ) as docling:
        converted = docling.convert(streamed(sample_pdf)).document
    different = {"name", "origin"}  # the name of the upload
    assert converted.model_dump(exclude=different) == to_docling(expected_sample).model_dump(
        exclude=different
    )
    assert {item.prov[0].page_no for item in converted.texts if item.prov} == {1, 2, 3}

    loaded = httpx.put(
        f"{service.url}/process",
        content=sample_pdf.read_bytes(),
        headers={"Authorization": f"Bearer {ANNA}", "X-Filename": "sample.pdf"},
        timeout=300,
    ).json()
    texts = [page.markdown for page in expected_sample]
    assert [page["page_content"] for page in loaded] == texts
    assert [page["metadata"]["page"] for page in loaded] == [0, 1, 2]

    with Mistral(api_key=ANNA, server_url=service.url) as mistral:
        content = {"file_name": "sample.pdf", "content": sample_pdf.read_bytes()}
        file = mistral.files.upload(file=content, purpose="ocr").id
        pages = mistral.ocr.process(model="m", document={"type": "file", "file_id": file}).pages
        mistral.files.delete(file_id=file)
    assert [page.index for page in pages] == [0, 1, 2]
    assert pages[1].markdown == texts[1]
