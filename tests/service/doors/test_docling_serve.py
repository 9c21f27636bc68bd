"""docling's own client, and Open WebUI's loader "Docling" by its exact requests."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from docling_client import (
    DOCLING_WARNS,
    ConvertDocumentResponse,
    DoclingServiceClient,
    HttpSourceRequest,
    InBodyTarget,
    StatusWatcherKind,
    TaskStatusResponse,
    ZipTarget,
    docling_errors,
    streamed,
)
from docling_core.types.doc import DoclingDocument
from docling_core.types.io import DocumentStream
from running_service import ANNA, BERT, RunningService

from deepseek_ocr_rag import OcrDocument
from deepseek_ocr_rag.export.docling import to_docling

pytestmark = DOCLING_WARNS

NOT_A_DOCUMENT = b"%PDF-1.7\nnothing more"


def client(service: RunningService, key: str = ANNA, **more: Any) -> DoclingServiceClient:
    return DoclingServiceClient(service.url, api_key=key, **more)


def convert(service: RunningService, key: str = ANNA, **form: Any) -> httpx.Response:
    files = form.pop("files")
    return httpx.post(
        f"{service.url}/v1/convert/file",
        files={"files": files},
        data=form,
        headers={"X-Api-Key": key},
        timeout=120,
    )


def test_the_client_gets_the_document_that_the_library_makes(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    with client(service) as docling:
        result = docling.convert(streamed(printed_pdf))
    assert result.status.value == "success"
    # The name of the document and of its origin are those of the upload.
    ours = result.document.model_dump(exclude={"name", "origin"})
    assert ours == to_docling(expected).model_dump(exclude={"name", "origin"})
    assert result.document.origin is not None
    assert result.document.origin.filename == "printed.pdf"
    assert {item.prov[0].page_no for item in result.document.texts if item.prov} == {1, 2}


def test_the_client_waits_by_polling_where_there_is_no_websocket_and_loses_no_time(
    service: RunningService, printed_pdf: Path
) -> None:
    with client(service, status_watcher=StatusWatcherKind.WEBSOCKET) as docling:
        job = docling.submit(streamed(printed_pdf))
        states = [update.task_status for update in job.watch(timeout=60)]
        begun = time.monotonic()
        job.result(timeout=60)
    assert states[-1] == "success"
    assert time.monotonic() - begun < 20


def test_the_client_reads_several_documents_in_their_order(
    service: RunningService, printed_pdf: Path
) -> None:
    sources = [
        DocumentStream(name=f"{n}.pdf", stream=BytesIO(printed_pdf.read_bytes())) for n in "abc"
    ]
    with client(service) as docling:
        results = list(docling.convert_all(sources))
    assert [str(result.input.file) for result in results] == ["a.pdf", "b.pdf", "c.pdf"]
    assert {len(result.document.pages) for result in results} == {2}


@pytest.mark.parametrize(
    ("asked", "pages"),
    [
        ({"page_range": (2, 2)}, [2]),
        ({"max_num_pages": 1}, [1]),
        ({"max_num_pages": 99}, [1, 2]),
    ],
)
def test_the_client_chooses_pages(
    service: RunningService, printed_pdf: Path, asked: dict[str, Any], pages: list[int]
) -> None:
    with client(service) as docling:
        result = docling.convert(streamed(printed_pdf), **asked)
    assert sorted(result.document.pages) == pages


def test_a_document_that_cannot_be_read_is_a_failed_conversion_for_the_client(
    service: RunningService,
) -> None:
    source = DocumentStream(name="bad.pdf", stream=BytesIO(NOT_A_DOCUMENT))
    with (
        client(service) as docling,
        pytest.raises(docling_errors.ConversionError, match=r"bad\.pdf"),
    ):
        docling.convert(source)


def test_other_targets_are_refused_and_told_to_the_client(
    service: RunningService, printed_pdf: Path
) -> None:
    with client(service) as docling, pytest.raises(docling_errors.ServiceError, match="zip"):
        docling.submit(streamed(printed_pdf), target=ZipTarget())


@pytest.mark.parametrize("path", ["/v1/status/poll", "/v1/result"])
def test_a_task_of_another_key_or_that_never_was_is_not_found(
    service: RunningService, printed_pdf: Path, path: str
) -> None:
    with client(service) as docling:
        task = docling.submit(streamed(printed_pdf), target=InBodyTarget()).task_id
    for key, name in ((BERT, task), (ANNA, "never"), (ANNA, f"never{task}")):
        reply = httpx.get(f"{service.url}{path}/{name}", headers={"X-Api-Key": key})
        assert reply.status_code == 404
        # By this text the client raises TaskNotFoundError.
        assert reply.json()["detail"] == "Task not found."


def test_a_result_that_is_not_ready_is_told_as_the_client_expects_it(
    service: RunningService, printed_pdf: Path
) -> None:
    with client(service) as docling:
        task = docling.submit(streamed(printed_pdf), target=InBodyTarget()).task_id
        reply = httpx.get(f"{service.url}/v1/result/{task}", headers={"X-Api-Key": ANNA})
    if reply.status_code != 200:  # else it was read already
        assert reply.json()["detail"].startswith("Task result not found")


def test_a_wrong_key_is_refused(service: RunningService, printed_pdf: Path) -> None:
    with client(service, "wrong") as docling, pytest.raises(docling_errors.ServiceError) as error:
        docling.convert(streamed(printed_pdf))
    assert error.value.status_code == 401


def test_the_client_finds_the_service_alive(service: RunningService) -> None:
    with client(service) as docling:
        assert docling.health().status == "ok"
        assert "deepseek-ocr-rag" in docling.version()


def test_a_url_is_not_downloaded_unless_the_service_allows_it(service: RunningService) -> None:
    source = HttpSourceRequest(url="http://127.0.0.1:9/a.pdf", headers={})
    with client(service) as docling, pytest.raises(docling_errors.ServiceError) as error:
        docling.submit(source, target=InBodyTarget())
    assert error.value.status_code == 403
    assert "does not download" in str(error.value)


def test_a_document_in_base64_is_converted(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    content = base64.encodebytes(printed_pdf.read_bytes()).decode()  # with line ends
    reply = httpx.post(
        f"{service.url}/v1/convert/source",
        json={
            "options": {"to_formats": ["md", "json", "html", "text", "doctags"]},
            "sources": [{"kind": "file", "base64_string": content, "filename": "a.pdf"}],
        },
        headers={"X-Api-Key": ANNA},
        timeout=120,
    )
    made = ConvertDocumentResponse.model_validate_json(reply.text).document
    assert made.md_content == expected.to_markdown()
    assert made.filename == "a.pdf"
    assert made.json_content is not None
    assert made.html_content is not None
    assert made.text_content is not None
    assert made.doctags_content is not None
    assert "<h1>" in made.html_content
    assert "<page_break>" in made.doctags_content


SOURCE = {"kind": "file", "base64_string": "JVBERi0=", "filename": "a.pdf"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 422),
        (b"[]", 422),
        (b"[" * 100_000, 422),
        ({"sources": []}, 422),
        ({"sources": [SOURCE, SOURCE]}, 422),
        ({"sources": [{**SOURCE, "base64_string": "*"}]}, 422),
        ({"sources": [{**SOURCE, "base64_string": 5}]}, 422),
        ({"sources": [{**SOURCE, "filename": ["x"]}]}, 422),
        ({"sources": [{"kind": "s3", "bucket": "b"}]}, 422),
        ({"sources": [{"kind": "http", "url": "file:///etc/passwd"}]}, 403),
        ({"sources": [{"kind": "http", "url": "https://x", "headers": {"a": "b"}}]}, 422),
        ({"sources": [SOURCE], "options": "md"}, 422),
        ({"sources": [SOURCE], "target": {"kind": "put", "url": "https://x"}}, 422),
        ({"sources": [SOURCE], "callbacks": [{"url": "https://x"}]}, 422),
    ],
)
@pytest.mark.parametrize("path", ["/v1/convert/source", "/v1/convert/source/async"])
def test_a_source_that_cannot_be_meant_is_refused(
    service: RunningService, path: str, body: bytes | dict[str, Any], status: int
) -> None:
    given: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    reply = httpx.post(f"{service.url}{path}", headers={"X-Api-Key": ANNA}, **given)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert service.queue.uploads("anna") == ()


def test_a_failure_is_a_status_inside_a_200(service: RunningService) -> None:
    reply = convert(service, files=("bad.pdf", NOT_A_DOCUMENT, "application/pdf"))
    result = ConvertDocumentResponse.model_validate_json(reply.text)
    assert reply.status_code == 200
    assert result.status.value == "failure"
    assert result.document.md_content is None
    assert [each.component_type.value for each in result.errors] == ["pipeline"]
    assert "bad.pdf" not in result.errors[0].error_message
    assert result.errors[0].error_message.endswith(".")


def test_tasks_are_answered_as_their_model_says(service: RunningService) -> None:
    reply = httpx.post(
        f"{service.url}/v1/convert/file/async",
        files={"files": ("bad.pdf", NOT_A_DOCUMENT)},
        headers={"X-Api-Key": ANNA},
    )
    task = TaskStatusResponse.model_validate_json(reply.text)
    poll = httpx.get(
        f"{service.url}/v1/status/poll/{task.task_id}?wait=60",
        headers={"X-Api-Key": ANNA},
        timeout=90,
    )
    status = TaskStatusResponse.model_validate_json(poll.text)
    assert status.task_id == task.task_id
    assert status.task_status.value == "success"
    assert status.task_meta is not None
    assert status.task_meta.num_failed == 1
    result = httpx.get(f"{service.url}/v1/result/{task.task_id}", headers={"X-Api-Key": ANNA})
    assert ConvertDocumentResponse.model_validate_json(result.text).status.value == "failure"


def test_an_older_client_gets_a_document_of_its_version(
    service: RunningService, printed_pdf: Path
) -> None:
    reply = httpx.post(
        f"{service.url}/v1/convert/file",
        files={"files": ("a.pdf", printed_pdf.read_bytes())},
        data={"to_formats": "json"},
        headers={"X-Api-Key": ANNA, "Accept-Docling-Document-Version": "1.6.0"},
        timeout=120,
    )
    content = reply.json()["document"]["json_content"]
    assert content["version"] == "1.6.0"
    assert DoclingDocument.model_validate(content).pages.keys() == {1, 2}


@pytest.mark.parametrize("version", ["0.9.0", "1.2.0", "x", "1.10"])
def test_a_version_that_cannot_be_made_is_refused(
    service: RunningService, printed_pdf: Path, version: str
) -> None:
    reply = httpx.post(
        f"{service.url}/v1/convert/file",
        files={"files": ("a.pdf", printed_pdf.read_bytes())},
        data={"to_formats": "json"},
        headers={"X-Api-Key": ANNA, "Accept-Docling-Document-Version": version},
        timeout=120,
    )
    assert reply.status_code == 422
    assert "Docling" in reply.json()["detail"]


def open_webui_pages(service: RunningService, file: Path, **params: Any) -> list[tuple[int, str]]:
    """What ``DoclingLoader`` of Open WebUI 0.12.4 sends, and how it reads the reply."""
    with file.open("rb") as opened:
        reply = requests.post(
            f"{service.url}/v1/convert/file",
            files={"files": (file.name, opened, "application/pdf")},
            data={
                "image_export_mode": "placeholder",
                "md_page_break_placeholder": "\f",
                "to_formats": ["md", "json"],
                **params,
            },
            headers={"X-Api-Key": ANNA},
            timeout=120,
        )
    assert reply.ok, reply.text
    result = reply.json()
    assert result["status"] not in ("failure", "skipped"), result["errors"]
    parts = result["document"]["md_content"].split("\f")
    content = result["document"]["json_content"]
    indices: Any = sorted(
        {
            item["prov"][0]["page_no"] - 1
            for key in ("texts", "tables", "pictures", "key_value_items", "form_items")
            for item in content.get(key, [])
            if item.get("content_layer") == "body" and item.get("prov")
        }
    )
    if len(indices) != len(parts):
        indices = range(len(parts))
    return [
        (index, part.strip()) for index, part in zip(indices, parts, strict=False) if part.strip()
    ]


def test_open_webui_finds_each_page_under_its_number(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    pages = [(page.number - 1, page.markdown.strip()) for page in expected]
    # Options that its users set for docling's own models change nothing.
    own = {
        "do_ocr": "true",
        "ocr_engine": "easyocr",
        "pipeline": "standard",
        "table_mode": "accurate",
    }
    assert open_webui_pages(service, printed_pdf, **own) == pages


def test_open_webui_numbers_the_pages_after_a_blank_one_right(
    service: RunningService, printed_pdf: Path, tmp_path: Path
) -> None:
    import pypdfium2

    with pypdfium2.PdfDocument(printed_pdf) as pdf:
        pdf.new_page(595, 842, index=1)
        pdf.save(tmp_path / "blank.pdf")
    found = open_webui_pages(service, tmp_path / "blank.pdf")
    assert [index for index, _ in found] == [0, 2]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([("other", ("a.pdf", b"x"))], "more than one file"),
        ([("files", ("a.pdf", b"x")), ("files", ("b.pdf", b"x"))], "more than one file"),
        ([("to_formats", (None, "md"))], "has no file"),
    ],
)
def test_a_form_needs_one_file(service: RunningService, files: Any, told: str) -> None:
    reply = httpx.post(f"{service.url}/v1/convert/file", files=files, headers={"X-Api-Key": ANNA})
    assert reply.status_code == 422
    assert told in reply.json()["detail"]
