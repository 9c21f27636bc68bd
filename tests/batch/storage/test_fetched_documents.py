"""Where documents of other machines are kept while they are read."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from deepseek_ocr_rag import Limits
from deepseek_ocr_rag.batch.storage import fetched_documents
from deepseek_ocr_rag.batch.storage.fetched_documents import FetchedDocuments

REMOTE = "s3://letters/one.pdf"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # Whole stores are asked in test_object_stores.py.
    monkeypatch.setattr(
        fetched_documents, "_stored_pieces", lambda uri: (piece for piece in (b"of ", b"a store"))
    )
    return tmp_path


def test_a_local_document_needs_no_folder_that_a_killed_process_would_leave(kept: Path) -> None:
    documents = FetchedDocuments(Limits(), None)
    with documents.path(__file__) as path:
        assert path == Path(__file__)
    assert [*kept.iterdir()] == []


def test_closing_removes_the_folder(kept: Path) -> None:
    documents = FetchedDocuments(Limits(), None)
    with documents.path(REMOTE) as path:
        assert path.read_bytes() == b"of a store"
    assert [path.parent] == [*kept.iterdir()]
    documents.close()
    documents.close()
    assert [*kept.iterdir()] == []


def test_what_an_engine_drops_is_removed_without_a_warning(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    documents: Any = FetchedDocuments(Limits(), None)
    with documents.path(REMOTE):
        pass
    documents.itself = documents  # as an actor's traceback may hold it
    del documents
    gc.collect()
    assert [*kept.iterdir()] == []
    assert unraisable == []
