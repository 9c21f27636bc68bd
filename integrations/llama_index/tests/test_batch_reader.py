"""What ``dsocr batch`` has read, as documents of LlamaIndex."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow")

from batch_runs import recorded_page, run_of_sample
from llama_index.readers.deepseek_ocr import DeepSeekOCRReader

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.errors import ConfigurationError, DeepSeekOCRError


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return recorded_page(tmp_path_factory.mktemp("recording") / "replies.jsonl")


@pytest.fixture(scope="module")
def run(recording, tmp_path_factory):
    """The sample, of which one page was recorded, and a file that is damaged."""
    return run_of_sample(tmp_path_factory.mktemp("run"), recording)


@pytest.mark.parametrize("flat", [False, True])
def test_documents_are_those_of_the_reader_that_reads(run, recording, flat):
    extra = {"collection": "lamps"}
    reader = DeepSeekOCRReader(backend=recording, pages="1-2", flat_metadata=flat)
    read = reader.load_data(str(sample_path()), extra)
    loaded = DeepSeekOCRReader.from_batch(run, flat_metadata=flat).load_data(extra_info=extra)
    assert loaded == read
    assert [each.id_ for each in loaded] == [each.id_ for each in read]
    assert "collection" in loaded[0].excluded_llm_metadata_keys


def test_pages_that_failed_are_kept_skipped_or_raised(run, caplog):
    assert len(DeepSeekOCRReader.from_batch(run).load_data()) == 2
    assert "Skipped: " in caplog.text
    assert len(DeepSeekOCRReader.from_batch(run, on_error="skip").load_data()) == 1
    with pytest.raises(DeepSeekOCRError, match="page 2"):
        DeepSeekOCRReader.from_batch(run, on_error="raise").load_data()


def test_wrong_choices_and_folders_are_told(tmp_path):
    with pytest.raises(ConfigurationError, match="on_error"):
        DeepSeekOCRReader.from_batch(tmp_path, on_error="drop")
    with pytest.raises(ConfigurationError, match="no finished shard"):
        DeepSeekOCRReader.from_batch(tmp_path).load_data()
