"""The callable that reads units, without any engine."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from page_server import marked_pdf

from deepseek_ocr_rag import Limits, Reader, ReplayBackend
from deepseek_ocr_rag.backends import Reply
from deepseek_ocr_rag.batch import BatchSettings, PageReader, PageRow
from deepseek_ocr_rag.errors import BackendUnavailableError


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(marked_pdf(5))
    return path


def batch(path, pages="1-5", **more):
    columns = {"entry": [0], "doc_id": ["A"], "uri": [str(path)], "sha256": [""], "pages": [pages]}
    return {name: np.array(values, dtype=object) for name, values in {**columns, **more}.items()}


@pytest.mark.parametrize("none", [None, float("nan"), ""])
def test_no_password_is_none_however_an_engine_passes_it_on(pdf, none):
    """Ray makes NaN of None in a column without any text."""
    assert reader()(batch(pdf, "1", password=[none]))["status"] == ["stop"]


TEXTS = [
    f"<|ref|>text<|/ref|><|det|>[[10, 10, 500, {100 * number}]]<|/det|>\nPage {number}"
    for number in range(1, 6)
]


def reader(texts=TEXTS, **more):
    return PageReader(BatchSettings(backend="replay"), backend=ReplayBackend(texts), **more)


def test_a_batch_of_units_gives_a_row_for_each_page(pdf):
    rows = reader()(batch(pdf, "2-4"))
    assert rows["page"] == [2, 3, 4]
    assert rows["markdown"] == ["Page 2", "Page 3", "Page 4"]
    assert rows["doc_id"] == ["A"] * 3
    assert rows["total_pages"] == [5] * 3
    assert rows["sha256"] == [hashlib.sha256(pdf.read_bytes()).hexdigest()] * 3


def test_a_row_is_the_page_that_a_reader_gives(pdf):
    read = Reader(ReplayBackend(TEXTS), cache=False).read(pdf)
    columns = reader()(batch(pdf))
    rows = [
        PageRow.from_dict({name: values[index] for name, values in columns.items()})
        for index in range(5)
    ]
    assert [row.to_page() for row in rows] == list(read.pages)
    assert rows[0].blocks[0].boxes != ()


def test_a_page_that_fails_is_a_row_and_costs_no_other(pdf):
    rows = reader(TEXTS[:3])(batch(pdf))
    assert rows["status"] == ["stop"] * 3 + ["error"] * 2
    assert rows["error_type"][3:] == ["BackendReplyError"] * 2
    assert "page 4" in rows["error"][3]


class Seeing(ReplayBackend):
    """Has the pages drawn, answers nothing to page 2, and says of page 3 only that it failed."""

    needs_image = True

    def read(self, requests):
        for request in requests:
            if request.page == 3:
                yield Reply(request.key, "", "error", error="it failed")
            elif request.page != 2:
                yield self._reply(request)


def test_a_row_has_the_class_of_the_error_that_a_page_met(pdf):
    rows = PageReader(BatchSettings(resolution="tiny"), backend=Seeing(TEXTS[:3]))(batch(pdf))
    assert rows["status"] == ["stop", *["error"] * 4]
    assert rows["error_type"] == [
        *(None, "BackendReplyError", "BackendError", "BackendReplyError", "BackendReplyError")
    ]
    few = BatchSettings(resolution="tiny", limits=Limits(image_pixels=100))
    rows = PageReader(few, backend=Seeing(TEXTS))(batch(pdf))
    assert rows["error_type"] == ["LimitExceededError"] * 5


def test_a_document_that_is_gone_is_a_row_for_each_page(tmp_path):
    rows = reader()(batch(tmp_path / "none.pdf", "1-2"))
    assert rows["error_type"] == ["SourceNotFoundError"] * 2


def test_a_document_that_changed_since_it_was_counted_is_not_read(pdf):
    rows = reader()(batch(pdf, sha256=["ab" * 32]))
    assert rows["error_type"] == ["CorruptSourceError"] * 5


class Stumbling(ReplayBackend):
    """Fails on one page in a way that no backend should: the stream of its pages breaks off."""

    def read(self, requests):
        for request in requests:
            if request.page == 3:
                raise ZeroDivisionError
            yield self._reply(request)


def test_a_page_that_breaks_the_stream_costs_only_itself(pdf):
    rows = PageReader(BatchSettings(), backend=Stumbling(TEXTS))(batch(pdf))
    assert rows["status"] == ["stop", "stop", "error", "stop", "stop"]
    assert rows["error_type"][2] == "ZeroDivisionError"


class Away(ReplayBackend):
    def read(self, requests):
        raise BackendUnavailableError("nobody is there")
        yield


def test_a_backend_that_is_away_is_no_row(pdf, monkeypatch):
    monkeypatch.setattr("deepseek_ocr_rag.batch.page_reader.RETRY_SECONDS", (0.0, 0.0))
    with pytest.raises(BackendUnavailableError):
        PageReader(BatchSettings(), backend=Away(TEXTS))(batch(pdf))


def test_settings_arrive_on_other_machines_as_they_are():
    settings = BatchSettings(backend="lite", unit_pages=7)
    assert BatchSettings.from_dict(settings.to_dict()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
