"""What ``dsocr batch`` has read, as documents of LangChain."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pyarrow")

from batch_runs import recorded_page, run_of_sample
from langchain_deepseek_ocr import DeepSeekOCRLoader

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.errors import ConfigurationError, DeepSeekOCRError


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return recorded_page(tmp_path_factory.mktemp("recording") / "replies.jsonl")


@pytest.fixture(scope="module")
def run(recording, tmp_path_factory):
    """The sample, of which one page was recorded, and a file that is damaged."""
    return run_of_sample(tmp_path_factory.mktemp("run"), recording)


@pytest.mark.parametrize("mode", ["page", "block", "document"])
@pytest.mark.parametrize("flat", [False, True])
def test_documents_are_those_of_the_loader_that_reads(run, recording, mode, flat):
    read = DeepSeekOCRLoader(
        str(sample_path()), mode=mode, pages="1-2", flat_metadata=flat, backend=recording
    ).load()
    loaded = DeepSeekOCRLoader.from_batch(run, mode=mode, flat_metadata=flat).load()
    assert loaded == read
    assert loaded[0].id == read[0].id


def test_pages_that_failed_are_kept_skipped_or_raised(run):
    assert len(DeepSeekOCRLoader.from_batch(run).load()) == 2
    assert len(DeepSeekOCRLoader.from_batch(run, on_error="skip").load()) == 1
    with pytest.raises(DeepSeekOCRError, match="page 2"):
        DeepSeekOCRLoader.from_batch(run, on_error="raise").load()


def test_the_stored_records_are_the_same_documents(run):
    from pyarrow import parquet

    rows = parquet.read_table(run / "documents/part-00000000.parquet").to_pylist()
    loaded = DeepSeekOCRLoader.from_batch(run).load()
    assert [row["page_content"] for row in rows] == [each.page_content for each in loaded]
    assert [row["id"] for row in rows] == [each.id for each in loaded]
    assert [json.loads(row["metadata"]) for row in rows] == [each.metadata for each in loaded]


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="no finished shard"):
        DeepSeekOCRLoader.from_batch(tmp_path).load()
