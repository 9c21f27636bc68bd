"""Cached pages: when a read uses them, and what their key depends on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields, replace

import pytest
from page_server import marked_pdf

from deepseek_ocr_rag import Box, PageCache, Reader
from deepseek_ocr_rag.backends import Reply
from deepseek_ocr_rag.document.types import Block, Page
from deepseek_ocr_rag.errors import BackendUnavailableError
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.reading.cached_pages import (
    PageKey,
    page_from_json,
    page_to_json,
    renderer_version,
)

PAGES = 12


class Numbered:
    """A backend whose pages may be cached; it records requests and fails as told."""

    name = "numbered"
    needs_image = False
    reads_text_layer = False

    def __init__(self, *, model="one", fingerprint="a", dies_at=None, bad=()):
        self.model = model
        self.fingerprint = fingerprint
        self.dies_at = dies_at
        self.bad = bad
        self.asked = []

    def read(self, requests):
        for request in requests:
            if request.page == self.dies_at:
                raise BackendUnavailableError("the power is off")
            self.asked.append(request.page)
            if request.page in self.bad:
                yield Reply(request.key, "", finish_reason="error", error="torn")
                continue
            heading = f"## Part {request.page}\n\n" if request.page % 3 == 1 else ""
            yield Reply(
                request.key,
                f"<|ref|>text<|/ref|><|det|>[[1, 2, 333, 4{request.page:02}]]<|/det|>\n"
                f"{heading}Page {request.page} of {self.model}, {request.task.name} ß\U0001f600",
            )

    def close(self):
        pass


@pytest.fixture(scope="module")
def pdf():
    return marked_pdf(PAGES)


@pytest.fixture
def read(tmp_path, pdf):
    """Read with a new reader, as the next process would."""

    def run(backend, *, data=pdf, pages=None, **options):
        with Reader(backend, cache=tmp_path, **options) as reader:
            return reader.read(data, name="a.pdf", pages=pages)

    return run


def test_cached_pages_are_not_read_again_and_are_the_same(read):
    first, second = Numbered(), Numbered()
    assert read(first) == read(second)
    assert (len(first.asked), second.asked) == (PAGES, [])


def test_a_read_that_died_resumes_where_it_stopped(read):
    with pytest.raises(BackendUnavailableError):
        read(Numbered(dies_at=8))
    backend = Numbered()
    document = read(backend)
    assert backend.asked == list(range(8, PAGES + 1))
    assert document == read(Numbered(fingerprint="never seen"))


def test_headings_carry_over_from_cached_pages(read):
    read(Numbered(), pages="1-4")
    sections = [block.section for page in read(Numbered()) for block in page.blocks]
    read_at_once = [b.section for page in read(Numbered(fingerprint="b")) for b in page.blocks]
    assert sections == read_at_once


async def test_a_cancelled_read_resumes_where_it_stopped(tmp_path, pdf):
    with Reader(Numbered(), cache=tmp_path) as reader:
        pages = reader.aiter_pages(pdf)
        for _ in range(5):
            await anext(pages)
        await pages.aclose()
        await asyncio.sleep(0)
    backend = Numbered()
    with Reader(backend, cache=tmp_path) as reader:
        await reader.aread(pdf)
    assert backend.asked == list(range(6, PAGES + 1))


def test_scattered_cached_pages_come_in_page_order(read):
    read(Numbered(), pages="2,5-6,11")
    backend = Numbered()
    assert [page.number for page in read(backend)] == list(range(1, PAGES + 1))
    assert backend.asked == [1, 3, 4, 7, 8, 9, 10, 12]


def test_a_page_that_failed_is_read_again(read):
    assert [page.number for page in read(Numbered(bad=(3, 9))).failed_pages] == [3, 9]
    backend = Numbered()
    assert read(backend).failed_pages == ()
    assert backend.asked == [3, 9]


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        (Numbered(model="two"), {}),
        (Numbered(fingerprint="b"), {}),
        (Numbered(), {"resolution": "tiny"}),
        (Numbered(), {"task": "free"}),
        (Numbered(), {"task": "prompt: What is this?"}),
        (Numbered(), {"data": marked_pdf(PAGES + 1), "pages": f"1-{PAGES}"}),
    ],
)
def test_another_file_model_setting_task_or_mode_is_a_miss(read, backend, options):
    read(Numbered())
    read(backend, **options)
    assert backend.asked == list(range(1, PAGES + 1))


KEY = PageKey(
    sha256="ab" * 32,
    page=1,
    renderer=renderer_version("pdfium"),
    task=task_named("document"),
    mode=mode_named("gundam"),
    page_objects=50_000,
    backend="server",
    model="m",
    fingerprint="f",
)


@pytest.mark.parametrize("name", [field.name for field in fields(PageKey)])
def test_every_part_of_the_key_counts(name):
    other = {"page": 2, "page_objects": 1, "mode": mode_named("tiny"), "task": task_named("free")}
    assert replace(KEY, **{name: other.get(name, "x")}).digest() != KEY.digest()


def test_the_key_has_the_versions_of_the_renderer_and_of_this_package():
    from deepseek_ocr_rag.version import __version__

    assert KEY.version == __version__
    assert renderer_version("pdfium").startswith("pypdfium2 ")
    assert "pillow" in renderer_version("pdfium")


def test_one_argument_turns_the_cache_off(tmp_path, pdf, monkeypatch):
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):
        backend = Numbered()
        with Reader(backend, cache=False) as reader:
            reader.read(pdf)
        assert len(backend.asked) == PAGES
    assert not (tmp_path / "cache").exists()


def test_pages_of_a_backend_without_a_fingerprint_are_not_cached(read, tmp_path):
    read(Numbered(fingerprint=None))
    assert PageCache(tmp_path).status().pages == 0


def test_a_cache_that_cannot_be_written_costs_no_page_and_is_logged_once(tmp_path, pdf, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING), Reader(Numbered(), cache=tmp_path / "file") as reader:
        assert len(reader.read(pdf)) == PAGES
    assert len([r for r in caplog.records if "cannot be stored" in r.message]) == 1


def test_a_page_converts_to_json_and_back_exactly():
    block = Block("text", "a ß \U0001f600", (Box(1 / 3, 0.1, 2 / 3, 1.0),), span=(0, 5))
    page = Page(7, markdown="a ß \U0001f600", blocks=(block,), warnings=("w",), width=595.3)
    assert page_from_json(page_to_json(page)) == page
    assert page_to_json(page).isascii()
