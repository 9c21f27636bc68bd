"""DeepSeekOCRReader: files to LlamaIndex documents."""

from __future__ import annotations

import importlib
import json
import logging
import pickle
import threading
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode
from llama_index.readers.deepseek_ocr import DeepSeekOCRReader

from deepseek_ocr_rag import DeepSeekOCRError, Reader
from deepseek_ocr_rag.errors import (
    BusyError,
    ConfigurationError,
    PageRangeError,
    SourceNotFoundError,
)

pytestmark = pytest.mark.minimum


def test_every_page_is_a_document_with_the_promised_metadata(pdf: Path, core: Reader) -> None:
    documents = DeepSeekOCRReader(reader=core).load_data(pdf)
    assert [d.metadata["page_label"] for d in documents] == ["1", "2", "3", "4"]
    first = documents[0]
    assert first.text == "# The lighthouse\n\nThe keeper lights the lamp at dusk."
    assert {k: v for k, v in first.metadata.items() if k not in ("boxes", "boxes_text")} == {
        "source": str(pdf),
        "page": 0,
        "page_label": "1",
        "total_pages": 4,
        "section": "The lighthouse",
        "backend": "recorded",
        "model": "recorded-model",
        "resolution": "gundam",
        "mode": "gundam",
        "finish_reason": "stop",
    }
    assert [first.text[b["start"] : b["end"]] for b in first.metadata["boxes"]] == [
        "# The lighthouse",
        "The keeper lights the lamp at dusk.",
    ]


def test_a_custom_prompt_is_used(pdf: Path, tmp_path: Path) -> None:
    recording = tmp_path / "dates.jsonl"
    task = "prompt: Which dates are there?"
    recording.write_text(json.dumps({"page": 1, "task": task, "text": "12 May 1871"}) + "\n")
    reader = DeepSeekOCRReader(backend=f"replay:{recording}", task=task, pages="1")
    (document,) = reader.load_data(pdf)
    assert document.text == "12 May 1871"


@pytest.mark.parametrize("mode", [MetadataMode.EMBED, MetadataMode.LLM])
def test_models_see_the_text_with_label_and_section_only(
    pdf: Path, core: Reader, mode: MetadataMode
) -> None:
    reader = DeepSeekOCRReader(reader=core)
    document = reader.load_data(pdf, extra_info={"file_path": "/a/b.pdf", "file_size": 3})[0]
    content = document.get_content(metadata_mode=mode)
    assert content.startswith("page_label: 1\nsection: The lighthouse\n\n# The lighthouse")


def test_extra_info_wins_and_is_hidden_from_models(pdf: Path, core: Reader) -> None:
    extra = {"file_path": "/a/b.pdf", "model": "mine"}
    document = DeepSeekOCRReader(reader=core).load_data(pdf, extra_info=extra)[0]
    assert document.metadata["file_path"] == "/a/b.pdf"
    assert document.metadata["model"] == "mine"
    for hidden in (document.excluded_embed_metadata_keys, document.excluded_llm_metadata_keys):
        assert set(hidden) == set(document.metadata) - {"page_label", "section"}
    assert extra == {"file_path": "/a/b.pdf", "model": "mine"}


def test_a_failed_page_is_kept_with_its_error_unless_set_otherwise(pdf: Path, core: Reader) -> None:
    kept = DeepSeekOCRReader(reader=core).load_data(pdf)[2]
    assert (kept.text, kept.metadata["finish_reason"]) == ("", "error")
    assert "torn" in kept.metadata["error"]
    skipped = DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)
    assert [d.metadata["page"] for d in skipped] == [0, 1, 3]
    with pytest.raises(DeepSeekOCRError, match=r"report\.pdf, page 3"):
        DeepSeekOCRReader(reader=core, on_error="raise").load_data(pdf)


def test_ids_stay_the_same_when_read_again_and_differ_between_pages(
    pdf: Path, core: Reader
) -> None:
    reader = DeepSeekOCRReader(reader=core)
    ids = [d.id_ for d in reader.load_data(pdf)]
    assert ids == [d.id_ for d in reader.load_data(pdf)]
    assert len(set(ids)) == 4


def test_loading_is_lazy(pdf: Path, core: Reader, backend: Any) -> None:
    next(iter(DeepSeekOCRReader(reader=core).lazy_load_data(pdf)))
    assert backend.asked == [1]


async def test_asynchronous_loading_gives_the_same(pdf: Path, core: Reader) -> None:
    reader = DeepSeekOCRReader(reader=core)
    assert await reader.aload_data(pdf) == reader.load_data(pdf)


def test_pages_bytes_and_flat_metadata(pdf: Path, core: Reader) -> None:
    reader = DeepSeekOCRReader(reader=core, pages="2,4", flat_metadata=True)
    documents = reader.load_data(pdf.read_bytes())
    assert [d.text for d in documents] == ["The lamp burns whale oil.", "The end."]
    for document in documents:
        assert all(isinstance(v, str | int | float | bool) for v in document.metadata.values())
        assert json.loads(document.metadata["boxes"])[0]["kind"] == "text"


def test_bytes_do_not_share_ids(pdf: Path, sample: Path, core: Reader) -> None:
    reader = DeepSeekOCRReader(reader=core, pages="1")
    ids = {reader.load_data(path.read_bytes())[0].id_ for path in (pdf, pdf, sample)}
    assert len(ids) == 2


def test_a_file_is_read_through_another_file_system(pdf: Path, core: Reader) -> None:
    memory = MemoryFileSystem()
    memory.pipe_file("/inbox/letter.pdf", pdf.read_bytes())
    documents = DeepSeekOCRReader(reader=core).load_data(Path("/inbox/letter.pdf"), fs=memory)
    assert documents[0].metadata["source"] == "/inbox/letter.pdf"
    assert len(documents) == 4


def test_mistakes_are_typed_errors(pdf: Path, core: Reader) -> None:
    with pytest.raises(SourceNotFoundError):
        DeepSeekOCRReader(reader=core).load_data(pdf.with_name("missing.pdf"))
    with pytest.raises(PageRangeError):
        DeepSeekOCRReader(reader=core, pages="5").load_data(pdf)
    with pytest.raises(ConfigurationError, match="huge"):
        DeepSeekOCRReader(backend="lite", resolution="huge").load_data(pdf)
    with pytest.raises(ConfigurationError, match="backend"):
        DeepSeekOCRReader(reader=core, backend="lite")


def test_it_is_a_file_extractor_of_simple_directory_reader(folder: Path, core: Reader) -> None:
    documents = SimpleDirectoryReader(
        folder, file_extractor={".pdf": DeepSeekOCRReader(reader=core)}, raise_on_error=True
    ).load_data()
    assert [d.metadata["page_label"] for d in documents] == ["1", "2", "3", "4"]
    assert documents[0].metadata["file_name"] == "report.pdf"
    assert documents[0].metadata["file_path"] == str(folder / "report.pdf")
    assert "file_path" in documents[0].excluded_embed_metadata_keys


@pytest.mark.slow
def test_it_reads_in_worker_processes(tmp_path: Path, sample: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    for name in ("a.pdf", "b.pdf"):
        (papers / name).write_bytes(sample.read_bytes())
    # Page 1 has a text layer, so no worker has to load an OCR model.
    reader = DeepSeekOCRReader(backend="lite", pages="1")
    documents = SimpleDirectoryReader(
        papers, file_extractor={".pdf": reader}, raise_on_error=True
    ).load_data(num_workers=2)
    assert [d.metadata["file_name"] for d in documents] == ["a.pdf", "b.pdf"]
    assert all(d.metadata["backend"] == "lite" and len(d.text) > 200 for d in documents)


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_it_can_be_pickled_after_use(
    pdf: Path, sample: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = DeepSeekOCRReader(backend="lite", pages="1", password="open sesame")
    before = reader.load_data(sample)
    with caplog.at_level(logging.DEBUG):
        copy = pickle.loads(pickle.dumps(reader))
    assert caplog.text == ""
    assert copy.password.get_secret_value() == "open sesame"
    assert copy.load_data(sample) == before


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_a_reader_that_was_given_is_pickled_if_its_backend_is(core: Reader, pdf: Path) -> None:
    given = DeepSeekOCRReader(reader=Reader("lite", resolution="tiny"), pages="1")
    for copy in (pickle.loads(pickle.dumps(given)), deepcopy(given)):
        assert copy.pages == "1"
        assert len(copy.load_data(pdf)) == 1
    core.backend.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(DeepSeekOCRReader(reader=core))


async def test_files_that_cannot_be_opened_are_skipped_if_that_is_wanted(
    folder: Path, core: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "broken.pdf").write_bytes(b"no PDF")
    reader = DeepSeekOCRReader(reader=core, on_error="skip")
    assert reader.load_data(folder / "broken.pdf") == []
    assert await reader.aload_data(folder / "missing.pdf") == []
    assert "broken.pdf" in caplog.text
    assert "missing.pdf" in caplog.text
    with pytest.raises(SourceNotFoundError):
        DeepSeekOCRReader(reader=core).load_data(folder / "missing.pdf")


def test_it_serialises_without_the_password() -> None:
    reader = DeepSeekOCRReader(backend="server", pages="1-3", password="open sesame")
    assert "sesame" not in reader.to_json()
    assert "sesame" not in repr(reader)
    data = reader.to_dict()
    assert data["class_name"] == "DeepSeekOCRReader"
    again = DeepSeekOCRReader.from_dict(data)
    assert (again.backend, again.pages) == ("server", "1-3")
    assert again.is_remote is False


def test_the_parent_packages_are_namespaces_shared_with_other_distributions() -> None:
    for name in ("llama_index", "llama_index.readers", "llama_index.tools"):
        assert importlib.import_module(name).__file__ is None


def test_splitters_do_not_choke_on_the_metadata(pdf: Path, core: Reader) -> None:
    documents = DeepSeekOCRReader(reader=core).load_data(pdf)
    nodes = SentenceSplitter(chunk_size=64, chunk_overlap=0).get_nodes_from_documents(documents)
    assert "The keeper lights the lamp at dusk." in nodes[0].get_content()
    assert nodes[0].metadata["boxes"] == documents[0].metadata["boxes"]


def test_a_folder_is_read_in_order_with_a_filter_and_a_bar(
    pdf: Path, core: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "more"
    for name in ("scan-10.pdf", "scan-2.pdf", "sub/c.pdf", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pdf.read_bytes())

    def sources(**options: Any) -> list[str]:
        documents = DeepSeekOCRReader(reader=core, pages="1", **options).load_data(folder)
        return [str(Path(each.metadata["source"]).relative_to(folder)) for each in documents]

    assert sources() == ["scan-2.pdf", "scan-10.pdf", "sub/c.pdf"]
    assert sources(match="s*", recursive=False) == ["scan-2.pdf", "scan-10.pdf"]
    assert capsys.readouterr().err == ""
    DeepSeekOCRReader(reader=core, pages="1").load_data(folder, show_progress=True)
    assert "3/3" in capsys.readouterr().err


async def test_a_refused_thread_is_our_error(
    pdf: Path, core: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")  # as Python says it

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BusyError, match="no more threads"):
            await DeepSeekOCRReader(reader=core, on_error="skip").aload_data(pdf)
    assert await DeepSeekOCRReader(reader=core, on_error="skip").aload_data(
        pdf
    ) == DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)
