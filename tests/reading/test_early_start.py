"""What is started before the first page is asked for: the model, and a process that draws."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakMethod

import pytest
from waiting import soon

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.replay import RecordingBackend
from deepseek_ocr_rag.errors import DeepSeekOCRError, SourceError, SourceNotFoundError
from deepseek_ocr_rag.sources.isolation import pool as pools
from deepseek_ocr_rag.sources.isolation.document import IsolatedDocument
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool


class Loading:
    """Says how many pages it had been asked for when it was told to load its model."""

    name = "loading"
    model = "none"
    needs_image = True
    reads_text_layer = False
    fingerprint = "loading"

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.began: list[int] = []

    def begin_loading(self) -> None:
        self.began.append(len(self.asked))

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.page)
            yield Reply(request.key, "text")


def test_a_model_is_loaded_while_the_document_is_opened(
    tmp_path: Path, sample_pdf: Path, monkeypatch
) -> None:
    backend = Loading()
    opened: list[int] = []
    open_it = IsolatedDocument.__init__

    def opening(document: IsolatedDocument, *given: Any, **more: Any) -> None:
        opened.append(len(backend.began))
        open_it(document, *given, **more)

    monkeypatch.setattr(IsolatedDocument, "__init__", opening)
    with Reader(backend, cache=tmp_path) as reader:
        reader.read(sample_pdf)
        assert opened == [1]
        assert set(backend.began) == {0}


@pytest.mark.parametrize(
    ("source", "error"), [("no such file.pdf", SourceNotFoundError), (b"text", SourceError)]
)
def test_no_model_is_loaded_for_what_cannot_be_a_document(source: Any, error: Any) -> None:
    backend = Loading()
    with Reader(backend, cache=False) as reader, pytest.raises(error):
        reader.read(source)
    assert backend.began == []


@pytest.mark.parametrize("pages", ["0", [0], [-1], [True], [], "first", ["1"]])
def test_no_model_is_loaded_for_pages_that_no_document_has(sample_pdf: Path, pages: Any) -> None:
    backend = Loading()
    with Reader(backend, cache=False) as reader, pytest.raises(DeepSeekOCRError):
        reader.read(sample_pdf, pages=pages)
    assert backend.began == []


def test_no_model_is_loaded_for_pages_that_are_in_the_cache(
    tmp_path: Path, sample_pdf: Path
) -> None:

    def began(pages: str | list[int] | None) -> set[int]:
        backend = Loading()
        with Reader(backend, cache=tmp_path) as reader:
            assert [page.error for page in reader.read(sample_pdf, pages=pages)].count(None)
        return {*backend.began}

    assert began("1-2") == {0}
    for pages in ("1-2", [1, 2], [2]):
        assert began(pages) == set()
    assert began(None) == {0}
    assert began(None) == set()


class Local(Loading):
    """Tells when it begins to load a model."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[WeakMethod[Any]] = []

    def on_loading(self, call: Any) -> None:
        self.calls.append(WeakMethod(call))

    def load(self) -> None:
        for each in self.calls:
            if call := each():
                call()


@pytest.fixture
def pool(monkeypatch) -> Iterator[WorkerPool]:
    """A pool for this test alone."""
    made = WorkerPool(2)
    monkeypatch.setattr(pools, "_shared", made)
    yield made
    made.end_if_unused()
    assert made.workers == 0


def test_a_drawing_process_is_ready_once_a_model_is_loaded(
    pool: WorkerPool, sample_pdf: Path
) -> None:
    backend = Local()
    with Reader(backend, cache=False) as reader:
        assert (pool.workers, pool._starting) == (0, 0)
        backend.load()
        assert soon(lambda: pool.workers and not pool._busy)
        (ready,) = pool._idle
        assert ready.formats == {"PDF"}
        with reader.open(sample_pdf) as stream:
            assert stream.total_pages == 3
            assert pool._idle == [ready]
        assert ready.alive
    assert soon(lambda: not ready.alive)
    backend.load()
    assert (pool.workers, pool._starting) == (0, 0)


def test_a_reader_that_nobody_has_any_more_keeps_no_drawing_process(
    pool: WorkerPool, sample_pdf: Path
) -> None:
    backend = Local()
    reader = Reader(backend, cache=False)
    backend.load()
    assert soon(lambda: pool.workers and not pool._busy)
    del reader
    gc.collect()
    pool.end_if_unused()
    assert pool.workers == 0


def test_a_reader_without_processes_of_its_own_starts_none(
    pool: WorkerPool, sample_pdf: Path
) -> None:
    backend = Local()
    with Reader(backend, cache=False, isolated=False):
        backend.load()
        assert (pool.workers, pool._starting) == (0, 0)


def test_a_recorded_backend_loads_its_model_too(tmp_path: Path, sample_pdf: Path) -> None:
    backend = Loading()
    with Reader(RecordingBackend(backend, tmp_path / "recording.jsonl"), cache=False) as reader:
        reader.read(sample_pdf)
    assert set(backend.began) == {0}
