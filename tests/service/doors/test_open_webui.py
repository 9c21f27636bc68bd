"""Open WebUI's external document loader, by its exact requests.

The loader is ``open_webui.retrieval.loaders.external_document.ExternalDocumentLoader`` of Open
WebUI 0.12.4. Its package is 106 MB and pins its own frameworks, so it is not installed here; what
it sends and how it reads the reply are written down from its code.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from langchain_core.documents import Document
from running_service import ANNA, BERT, RunningService

from deepseek_ocr_rag import OcrDocument


class LoaderError(Exception):
    """What the loader raises, and Open WebUI shows."""


@dataclass
class ExternalLoader:
    """The loader, as Open WebUI calls it for a file that a user attached."""

    file_path: Path
    url: str
    api_key: str
    mime_type: str | None = "application/pdf"
    timeout: float = 120.0  # the loader has none

    def load(self) -> list[Document]:
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "X-Filename": quote(self.file_path.name),
        }
        if self.mime_type is not None:
            headers["Content-Type"] = self.mime_type
        response = requests.put(
            f"{self.url.removesuffix('/')}/process",
            data=self.file_path.read_bytes(),
            headers=headers,
            timeout=self.timeout,
        )
        if not response.ok:
            raise LoaderError(f"Error loading document: {response.status_code} {response.text}")
        reply = response.json()
        assert isinstance(reply, list)
        return [
            Document(page_content=each.get("page_content"), metadata=each.get("metadata"))
            for each in reply
        ]


@pytest.fixture
def attached(tmp_path: Path, printed_pdf: Path) -> Path:
    """The sample, named as Open WebUI stores what a user attached."""
    file = tmp_path / f"{uuid.uuid4()}_my report (1).pdf"
    file.write_bytes(printed_pdf.read_bytes())
    return file


def test_the_loader_gets_a_document_for_each_page(
    service: RunningService, attached: Path, expected: OcrDocument
) -> None:
    documents = ExternalLoader(attached, service.url, ANNA).load()
    assert [each.page_content for each in documents] == [page.markdown for page in expected]
    assert [each.metadata["page"] for each in documents] == [0, 1]
    assert {each.metadata["source"] for each in documents} == {"my report (1).pdf"}
    assert {each.metadata["total_pages"] for each in documents} == {2}


def test_metadata_holds_only_what_every_vector_store_takes(
    service: RunningService, attached: Path
) -> None:
    for document in ExternalLoader(attached, service.url, ANNA).load():
        assert {type(value) for value in document.metadata.values()} <= {str, int}


def test_nothing_of_the_document_is_kept_after_the_reply(
    service: RunningService, attached: Path
) -> None:
    ExternalLoader(attached, service.url, BERT).load()
    assert service.queue.list("bert").jobs == ()
    assert service.queue.uploads("bert") == ()


@pytest.mark.parametrize("mime_type", [None, "application/octet-stream", "text/plain"])
def test_the_type_that_a_browser_guessed_does_not_matter(
    service: RunningService, attached: Path, mime_type: str | None
) -> None:
    assert len(ExternalLoader(attached, f"{service.url}/", ANNA, mime_type).load()) == 2


def test_a_wrong_key_is_refused_before_the_document_is_read(
    service: RunningService, attached: Path
) -> None:
    with pytest.raises(LoaderError, match=r"401 .*API key is missing or wrong"):
        ExternalLoader(attached, service.url, "wrong").load()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.7\nnothing more", "CorruptSourceError"),
        (b"PK\x03\x04 a word file", "UnsupportedSourceError"),
        (b"", "UploadError"),
    ],
)
def test_what_is_no_document_is_told_with_its_error_and_what_to_do(
    service: RunningService, tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(content)
    with pytest.raises(LoaderError, match=told) as error:
        ExternalLoader(file, service.url, ANNA).load()
    assert '"remedy"' in str(error.value)
    assert service.queue.list("anna").jobs == ()


HOSTILE_NAMES = [
    "..%2F..%2Fetc%2Fpasswd", "%00", "a%0d%0aX-Evil%3a%201.pdf", "%", "%FF%FE", "CON", "~",
    "x" * 4000, "%F0%9F%98%80.pdf", "%2e%2e", "..", "/", "%5C%5Cserver%5Cshare", "$(id).pdf",
    "%E2%80%AEfdp.exe", "'; DROP TABLE jobs; --",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_stays_a_name(service: RunningService, printed_pdf: Path, name: str) -> None:
    reply = requests.put(
        f"{service.url}/process",
        data=printed_pdf.read_bytes(),
        headers={"X-Filename": name, "X-Api-Key": ANNA},
        timeout=120,
    )
    assert reply.status_code == 200, reply.text
    pages: list[dict[str, Any]] = reply.json()
    source = pages[0]["metadata"]["source"]
    assert 0 < len(source) <= 255
    assert not set(source) & set("/\\\r\n\0")
    assert source not in (".", "..")
