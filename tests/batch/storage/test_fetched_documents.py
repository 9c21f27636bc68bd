"""Where documents of other machines are kept while they are read."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from deepseek_ocr_rag import Limits
from deepseek_ocr_rag.batch.storage.fetched_documents import FetchedDocuments


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_closing_removes_the_folder(kept: Path) -> None:
    documents = FetchedDocuments(Limits(), None)
    assert len([*kept.iterdir()]) == 1
    documents.close()
    documents.close()
    assert [*kept.iterdir()] == []


def test_what_an_engine_drops_is_removed_without_a_warning(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    documents: Any = FetchedDocuments(Limits(), None)
    documents.itself = documents  # as an actor's traceback may hold it
    del documents
    gc.collect()
    assert [*kept.iterdir()] == []
    assert unraisable == []
