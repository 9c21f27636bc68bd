"""Mistral's own SDK against the service."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from mistralai.client.models import OCRResponse
from PIL import Image
from running_service import ANNA, BERT, RunningService

from deepseek_ocr_rag import OcrDocument
from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.service.doors.mistral_replies import ocr_reply
from deepseek_ocr_rag.service.doors.mistral_requests import OcrOptions


def sdk(service: RunningService, key: str = ANNA) -> Mistral:
    return Mistral(api_key=key, server_url=service.url)


def sent(mistral: Mistral, file: Path, purpose: str = "ocr") -> str:
    content = {"file_name": file.name, "content": file.read_bytes()}
    return mistral.files.upload(file=content, purpose=purpose).id


def data_url(file: Path) -> str:
    return f"data:application/pdf;base64,{base64.b64encode(file.read_bytes()).decode()}"


def test_the_sdk_sends_a_file_reads_it_and_removes_it(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    with sdk(service, BERT) as mistral:
        file = sent(mistral, printed_pdf)
        signed = mistral.files.get_signed_url(file_id=file, expiry=1)
        reply = mistral.ocr.process(
            model="mistral-ocr-latest",
            document={"type": "document_url", "document_url": signed.url},
            include_image_base64=False,
        )
        assert mistral.files.retrieve(file_id=file).filename == "printed.pdf"
        assert mistral.files.download(file_id=file).read() == printed_pdf.read_bytes()
        assert mistral.files.delete(file_id=file).deleted
    assert [page.index for page in reply.pages] == [0, 1]
    assert reply.usage_info.pages_processed == 2
    assert reply.usage_info.doc_size_bytes == printed_pdf.stat().st_size
    for page, read in zip(reply.pages, expected, strict=True):
        assert page.markdown.replace("\n", "").startswith(read.markdown.replace("\n", "")[:40])
        assert page.dimensions is not None
        assert page.dimensions.width == round(read.width / 72 * page.dimensions.dpi)
    assert service.queue.uploads("bert") == ()
    assert service.queue.list("bert").jobs == ()


def test_a_file_can_be_named_by_its_id_and_stays_until_it_is_deleted(
    service: RunningService, printed_pdf: Path
) -> None:
    with sdk(service, BERT) as mistral:
        file = sent(mistral, printed_pdf)
        for _ in range(2):
            reply = mistral.ocr.process(
                model="m", document={"type": "file", "file_id": file}, pages=[1, 0]
            )
            assert [page.index for page in reply.pages] == [0, 1]
        assert [each.id for each in mistral.files.list().data] == [file]
        mistral.files.delete(file_id=file)
        with pytest.raises(SDKError) as error:
            mistral.files.retrieve(file_id=file)
    assert error.value.status_code == 404


def test_a_document_in_the_request_is_read_and_not_kept(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    with sdk(service, BERT) as mistral:
        reply = mistral.ocr.process(
            model="m", document={"type": "document_url", "document_url": data_url(printed_pdf)}
        )
    assert len(reply.pages) == len(expected)
    assert service.queue.uploads("bert") == ()


def test_a_picture_in_the_request_is_read(service: RunningService, printed_pdf: Path) -> None:
    from deepseek_ocr_rag import render_page

    file = BytesIO()
    page = render_page(printed_pdf, 1)
    # The left of its first lines: a small OCR takes half a minute for all of it.
    page.crop((0, 0, page.width // 2, page.height // 3)).save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    with sdk(service) as mistral:
        reply = mistral.ocr.process(model="m", document={"type": "image_url", "image_url": url})
    assert len(reply.pages) == 1
    assert len(reply.pages[0].markdown) > 40


def test_pictures_come_with_their_place_and_on_demand_with_their_pixels(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    pictures = [block for page in expected for block in page.blocks if block.kind == "image"]
    assert pictures, "the sample has a figure"
    with sdk(service) as mistral:
        reply = mistral.ocr.process(
            model="m",
            document={"type": "document_url", "document_url": data_url(printed_pdf)},
            include_image_base64=True,
        )
    found = [(page, image) for page in reply.pages for image in page.images]
    assert [image.id for _, image in found] == [f"img-{n}.png" for n in range(len(pictures))]
    for page, image in found:
        assert f"![{image.id}]({image.id})" in page.markdown
        assert isinstance(image.image_base64, str)
        head, _, content = image.image_base64.partition(",")
        assert head == "data:image/png;base64"
        with Image.open(BytesIO(base64.b64decode(content))) as picture:
            shape = (image.bottom_right_x - image.top_left_x) / (
                image.bottom_right_y - image.top_left_y
            )
            assert picture.width / picture.height == pytest.approx(shape, rel=0.05)


def test_blocks_come_as_the_sdk_reads_them(
    service: RunningService, printed_pdf: Path, expected: OcrDocument
) -> None:
    with sdk(service) as mistral:
        reply = mistral.ocr.process(
            model="m", document={"type": "document_url", "document_url": data_url(printed_pdf)}
        )
    blocks = [block for page in reply.pages for block in page.blocks or []]
    assert len(blocks) == sum(len(block.boxes) for page in expected for block in page.blocks)
    assert {"title", "text", "table", "image"} <= {block.type for block in blocks}
    assert "UNKNOWN" not in {block.type for block in blocks}


def test_a_wrong_key_is_refused(service: RunningService, printed_pdf: Path) -> None:
    with sdk(service, "wrong") as mistral, pytest.raises(SDKError) as error:
        sent(mistral, printed_pdf)
    assert error.value.status_code == 401


def test_a_file_of_another_key_is_not_found(service: RunningService, printed_pdf: Path) -> None:
    with sdk(service) as anna, sdk(service, BERT) as bert:
        file = sent(anna, printed_pdf)
        url = anna.files.get_signed_url(file_id=file).url
        for call in (
            lambda: bert.files.retrieve(file_id=file),
            lambda: bert.files.download(file_id=file),
            lambda: bert.files.delete(file_id=file),
            lambda: bert.files.get_signed_url(file_id=file),
            lambda: bert.ocr.process(model="m", document={"type": "file", "file_id": file}),
            lambda: bert.ocr.process(
                model="m", document={"type": "document_url", "document_url": url}
            ),
        ):
            with pytest.raises(SDKError) as error:
                call()
            assert error.value.status_code == 404
        anna.files.delete(file_id=file)


@pytest.mark.parametrize(
    ("request_body", "status", "told"),
    [
        ({"document": {"type": "document_url", "document_url": "https://arxiv.org/a"}}, 403, "does not download"),
        ({"document": {"type": "document_url", "document_url": "/etc/passwd"}}, 403, "does not download"),
        ({"document": {"type": "document_url", "document_url": "file:///etc/passwd"}}, 403, "does not download"),
        ({"document": {"type": "document_url", "document_url": "data:application/pdf,x"}}, 400, "base64"),
        ({"document": {"type": "document_url", "document_url": "data:;base64,*"}}, 400, "base64"),
        ({"document": {"type": "file", "file_id": "../../lock"}}, 404, ""),
        ({"document": {"type": "other"}}, 400, "names no document"),
        ({"document": "a.pdf"}, 400, "names no document"),
        ({}, 400, "names no document"),
        ({"document": {"type": "file", "file_id": "x"}, "pages": "1-x"}, 400, "pages"),
        ({"document": {"type": "file", "file_id": "x"}, "pages": [-1]}, 400, "pages"),
        ({"document": {"type": "file", "file_id": "x"}, "pages": [True]}, 400, "pages"),
        ({"document": {"type": "file", "file_id": "x"}, "table_format": "html"}, 400, "table_format"),
        ({"document": {"type": "file", "file_id": "x"}, "image_limit": "3"}, 400, "image_limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_as_a_problem(
    service: RunningService, request_body: dict[str, Any], status: int, told: str
) -> None:
    reply = httpx.post(
        f"{service.url}/v1/ocr", json=request_body, headers={"Authorization": f"Bearer {ANNA}"}
    )
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert told in reply.json()["detail"]


def test_the_sdk_shows_what_is_wrong_with_a_document(
    service: RunningService, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(b"%PDF-1.7\nnothing more")
    with sdk(service) as mistral, pytest.raises(SDKError, match="CorruptSourceError") as error:
        mistral.ocr.process(
            model="m", document={"type": "document_url", "document_url": data_url(bad)}
        )
    assert error.value.status_code == 400


def test_a_file_for_another_purpose_is_refused_and_not_kept(
    service: RunningService, printed_pdf: Path
) -> None:
    with sdk(service, BERT) as mistral, pytest.raises(SDKError, match="purpose"):
        sent(mistral, printed_pdf, purpose="fine-tune")
    assert service.queue.uploads("bert") == ()


def picture_block(number: int, box: Box, at: int) -> Block:
    return Block("image", "", (box,), (at, at), (), None)


def test_a_page_of_unknown_size_has_no_pixels_and_no_page_is_left_out() -> None:
    text = "first\n\nsecond"
    pages = (
        Page(1, text, (picture_block(1, Box(0.1, 0.1, 0.4, 0.4), 7),)),
        Page(2, finish_reason="error", error="the page could not be rendered"),
    )
    reply = ocr_reply(
        OcrDocument("a.pdf", pages, 2),
        OcrOptions("m", include_blocks=True),
        size=1,
        picture=lambda number, side: b"",
    )
    parsed = OCRResponse.model_validate(reply)
    assert [page.index for page in parsed.pages] == [0, 1]
    assert parsed.pages[0].dimensions is None
    assert parsed.pages[0].images[0].top_left_x is None
    assert parsed.pages[0].markdown == "first\n\n![img-0.png](img-0.png)\n\nsecond"
    assert parsed.pages[1].markdown == ""


def test_pictures_are_limited_as_asked_and_in_any_case() -> None:
    small, large = Box(0, 0, 0.01, 0.01), Box(0.1, 0.1, 0.9, 0.9)
    blocks = tuple(picture_block(n, small if n % 2 else large, 0) for n in range(300))
    document = OcrDocument("a.pdf", (Page(1, "x", blocks, width=612, height=792),), 1)

    def ids(**asked: Any) -> list[str]:
        options = OcrOptions("m", **asked)
        reply = ocr_reply(document, options, size=1, picture=lambda number, side: b"")
        return [image["id"] for page in reply["pages"] for image in page["images"]]

    assert len(ids()) == 50
    assert ids(image_limit=2) == ["img-0.png", "img-1.png"]
    assert len(ids(image_min_size=100)) == 25
