"""The built-in reader: text layers exactly, pictures with the OCR of RapidOCR's wheel."""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.lite import backend as lite
from deepseek_ocr_rag.backends.lite import rapidocr as rapid
from deepseek_ocr_rag.backends.lite.backend import LiteBackend, LiteBackendWarning
from deepseek_ocr_rag.document.grammar.parser import ParsedPage, parse_page
from deepseek_ocr_rag.document.text_layer import TextLayer, Word
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.errors import BackendUnavailableError, MissingExtraError
from deepseek_ocr_rag.model.prompts import task_named
from deepseek_ocr_rag.sources.source import open_source

MakeRequest = Callable[..., PageRequest]
TWO_WORDS = TextLayer(
    (Word("Hello", Box(0.1, 0.1, 0.2, 0.12), 10), Word("world", Box(0.21, 0.1, 0.3, 0.12), 10)),
    width=595,
    height=842,
)


@pytest.fixture(autouse=True)
def already_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "_warned", True)


@pytest.fixture(scope="module")
def backend() -> Iterator[LiteBackend]:
    """One engine for all tests: loading it takes a second."""
    made = LiteBackend()
    yield made
    made.close()


@pytest.fixture(scope="module")
def letter(sample_pdf: Path) -> Image.Image:
    """A real scan without a text layer, slightly tilted: the top of the sample's second page."""
    with open_source(sample_pdf) as source:
        page = source.render(2, 1920)
    return page.crop((0, 0, page.width, page.height // 2))


@pytest.mark.parametrize("task", ["describe", "figure", "locate: the total", "prompt: Sum up."])
def test_a_task_that_needs_the_model_is_refused(
    backend: LiteBackend, page_request: MakeRequest, task: str
) -> None:
    with pytest.raises(BackendUnavailableError, match=r"cannot do the task .*DeepSeek-OCR"):
        list(backend.read([page_request(1, text_layer=TWO_WORDS, task=task_named(task))]))


def reply_to(backend: LiteBackend, request: PageRequest) -> Reply:
    (reply,) = backend.read([request])
    return reply


def parsed(backend: LiteBackend, request: PageRequest) -> ParsedPage:
    reply = reply_to(backend, request)
    assert reply.error is None
    return parse_page(reply.text)


@pytest.mark.minimum
def test_a_text_layer_is_read_without_a_picture(
    backend: LiteBackend, page_request: MakeRequest
) -> None:
    page = parsed(backend, page_request(1, image=None, text_layer=TWO_WORDS))
    (block,) = page.blocks
    assert (block.kind, block.text) == ("text", "Hello world")
    assert block.boxes[0].as_tuple() == pytest.approx((0.1, 0.1, 0.3, 0.12), abs=0.001)


@pytest.mark.minimum
def test_a_text_layer_does_not_load_the_ocr(page_request: MakeRequest) -> None:
    fresh = LiteBackend()
    reply_to(fresh, page_request(1, image=None, text_layer=TWO_WORDS))
    assert fresh._ocr._engine is None


@pytest.mark.minimum
def test_a_scan_is_read_with_boxes(
    backend: LiteBackend, page_request: MakeRequest, letter: Image.Image
) -> None:
    page = parsed(backend, page_request(2, image=letter, text_layer=None))
    assert "the harbour board decided on 29 January 2025" in page.markdown
    (block,) = [b for b in page.blocks if "29 January 2025" in b.text]
    # Below the middle of this half page, from margin to margin.
    box = block.boxes[0]
    assert box.x0 < 0.2 < 0.7 < box.x1
    assert 0.5 < box.y0 < box.y1 <= 1


@pytest.mark.parametrize(("said", "threads"), [("1", 1), ("8", 2), (None, 2)])
def test_the_ocr_has_two_threads_unless_the_environment_allows_one(
    monkeypatch: pytest.MonkeyPatch, letter: Image.Image, said: str | None, threads: int
) -> None:
    made: list[int] = []

    def make(threads: int) -> None:
        made.append(threads)
        raise MemoryError

    monkeypatch.setattr(rapid, "_make_engine", make)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    with pytest.raises(MemoryError):
        rapid.RapidReader().read(letter)
    assert made == [threads]


@pytest.mark.slow
@pytest.mark.parametrize(
    "rotation", [90, *(pytest.param(turn, marks=pytest.mark.long) for turn in (180, 270))]
)
def test_a_scan_on_its_side_or_upside_down_is_read_with_its_boxes(
    backend: LiteBackend, page_request: MakeRequest, letter: Image.Image, rotation: int
) -> None:
    box = (letter.width // 10, letter.height * 3 // 5, letter.width * 11 // 20, letter.height)
    part = letter.crop(box)
    turned = part.rotate(-rotation, expand=True)
    page = parsed(backend, page_request(2, image=turned, text_layer=None))
    (block,) = [b for b in page.blocks if "29 January 2025" in b.text]
    found = block.boxes[0]
    long = (found.x1 - found.x0, found.y1 - found.y0)
    assert (long[0] > 0.5) if rotation == 180 else (long[1] > 0.5)


def test_a_cancelled_scan_gets_no_reply_and_frees_the_ocr_after_the_run_that_is_under_way(
    backend: LiteBackend,
    letter: Image.Image,
    page_request: MakeRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[PageRequest] = []
    few_lines = letter.crop((0, letter.height // 2, letter.width // 2, letter.height))
    wanted = page_request(1, image=few_lines)
    unwanted = page_request(2, image=few_lines)
    check = lite._check_cancelled

    def before_a_run(request: PageRequest) -> None:
        check(request)
        runs.append(request)
        if runs.count(unwanted) == 3:
            unwanted.cancellation.cancel()

    monkeypatch.setattr(lite, "_check_cancelled", before_a_run)
    makes_the_engine = page_request(0, image=Image.radial_gradient("L").convert("RGB"))
    assert len(list(backend.read([makes_the_engine, wanted]))) == 2
    # Each run takes a small part of the time of the whole, which is some seconds.
    assert runs.count(wanted) > 6
    assert list(backend.read([unwanted])) == []
    assert runs.count(unwanted) == 3


def test_a_picture_without_text_becomes_an_image_block_with_a_warning(
    backend: LiteBackend, page_request: MakeRequest
) -> None:
    reply = reply_to(
        backend,
        page_request(3, image=Image.radial_gradient("L").convert("RGB"), text_layer=None),
    )
    (block,) = parse_page(reply.text).blocks
    assert (block.kind, block.boxes) == ("image", (Box(0, 0, 1, 1),))
    assert reply.finish_reason == "stop"
    assert "no text was found" in reply.warnings[0]


def test_a_request_with_nothing_to_read_is_a_failed_page(
    backend: LiteBackend, page_request: MakeRequest
) -> None:
    reply = reply_to(backend, page_request(4, image=None, text_layer=None))
    assert reply.finish_reason == "error"
    assert "report.pdf, page 4" in (reply.error or "")


def test_after_an_ocr_failure_on_one_page_the_next_is_read(
    page_request: MakeRequest, monkeypatch: pytest.MonkeyPatch, letter: Image.Image
) -> None:
    def fail(self: Any, picture: Image.Image, check_cancelled: object) -> Any:
        raise rapid.PageUnreadableError("the OCR failed on its picture")

    monkeypatch.setattr(rapid.RapidReader, "read", fail)
    requests = [
        page_request(1, image=letter, text_layer=None),
        page_request(2, image=None, text_layer=TWO_WORDS),
    ]
    first, second = LiteBackend().read(requests)
    assert (first.finish_reason, second.finish_reason) == ("error", "stop")
    assert first.error == "report.pdf, page 1: the OCR failed on its picture"


def test_the_warning_comes_once_and_says_how_to_get_the_model(
    page_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite, "_warned", False)
    fresh = LiteBackend()
    requests = [page_request(n, image=None, text_layer=TWO_WORDS) for n in (1, 2)]
    with pytest.warns(LiteBackendWarning, match=r"not by DeepSeek-OCR.*ollama pull") as caught:
        list(fresh.read(requests))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(LiteBackend().read(requests))


def test_the_warning_points_to_the_users_code(
    page_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite, "_warned", False)
    with pytest.warns(LiteBackendWarning) as caught:
        list(LiteBackend().read([page_request(1, image=None, text_layer=TWO_WORDS)]))
    assert caught[0].filename == __file__
    monkeypatch.setattr(lite, "_warned", False)
    requests = [page_request(1, image=None, text_layer=TWO_WORDS)]
    with ThreadPoolExecutor(1) as worker, pytest.warns(LiteBackendWarning) as caught:
        worker.submit(lambda: list(LiteBackend().read(requests))).result()
    assert Path(caught[0].filename).name != "page_stream.py"


def test_it_takes_a_request_only_when_the_reply_before_was_fetched(
    page_request: MakeRequest,
) -> None:
    asked: list[int] = []

    def requests() -> Iterator[PageRequest]:
        for number in (1, 2, 3):
            asked.append(number)
            yield page_request(number, image=None, text_layer=TWO_WORDS)

    replies = LiteBackend().read(requests())
    next(replies)
    assert asked == [1]


@pytest.mark.minimum
def test_it_names_its_ocr_and_version() -> None:
    assert LiteBackend().model.startswith("rapidocr-")


def test_the_ocr_never_goes_to_the_network_and_is_quiet(
    page_request: MakeRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    letter: Image.Image,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        pytest.fail("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fresh = LiteBackend()
    reply = reply_to(fresh, page_request(1, image=letter.reduce(2), text_layer=None))
    fresh.close()
    assert "Skarholm" in reply.text
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("RapidOCR").level >= logging.ERROR


@pytest.mark.minimum
def test_missing_models_are_an_error_and_not_a_download(
    page_request: MakeRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    letter: Image.Image,
) -> None:
    package = tmp_path / "rapidocr"
    package.mkdir()
    (package / "__init__.py").write_text("")
    spec = rapid.importlib.util.spec_from_file_location("rapidocr", package / "__init__.py")
    monkeypatch.setattr(rapid.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(BackendUnavailableError, match="pip install"):
        reply_to(LiteBackend(), page_request(1, image=letter, text_layer=None))


@pytest.mark.minimum
def test_without_rapidocr_text_layers_are_still_read(
    page_request: MakeRequest, monkeypatch: pytest.MonkeyPatch, letter: Image.Image
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    fresh = LiteBackend()
    assert "Hello" in reply_to(fresh, page_request(1, image=None, text_layer=TWO_WORDS)).text
    with pytest.raises(MissingExtraError, match="pip install"):
        reply_to(fresh, page_request(2, image=letter, text_layer=None))


def test_pages_cached_by_an_older_layout_are_read_again(monkeypatch):
    before = LiteBackend().fingerprint
    monkeypatch.setattr("deepseek_ocr_rag.backends.lite.backend._LAYOUT", 1)
    assert LiteBackend().fingerprint != before
