"""DeepSeekOCRLoader: files to LangChain documents."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_deepseek_ocr import DeepSeekOCRLoader, boxes_for
from langchain_text_splitters import RecursiveCharacterTextSplitter

from deepseek_ocr_rag import DeepSeekOCRError, Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import (
    BusyError,
    ConfigurationError,
    CorruptSourceError,
    PageRangeError,
    SourceNotAllowedError,
    SourceNotFoundError,
)

pytestmark = pytest.mark.minimum


def test_every_page_is_a_document_with_the_promised_metadata(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader).load()
    assert [d.metadata["page"] for d in documents] == [0, 1, 2, 3, 4]
    first = documents[0]
    assert first.page_content == "# The lighthouse\n\nThe keeper lights the lamp at dusk."
    assert {k: v for k, v in first.metadata.items() if k not in ("boxes", "boxes_text")} == {
        "source": str(pdf),
        "page": 0,
        "page_label": "1",
        "total_pages": 5,
        "section": "The lighthouse",
        "backend": "recorded",
        "model": "recorded-model",
        "resolution": "gundam",
        "mode": "gundam",
        "finish_reason": "stop",
    }
    assert all(set(box) == {"kind", "bbox", "start", "end"} for box in first.metadata["boxes"])


def test_a_custom_prompt_is_used(pdf: Path, tmp_path: Path) -> None:
    recording = tmp_path / "dates.jsonl"
    task = "prompt: Which dates are there?"
    recording.write_text(json.dumps({"page": 1, "task": task, "text": "12 May 1871"}) + "\n")
    backend = f"replay:{recording}"
    (document,) = DeepSeekOCRLoader(pdf, backend=backend, task=task, pages="1").load()
    assert document.page_content == "12 May 1871"


def test_known_confidences_are_in_boxes_and_documents(pdf: Path, tmp_path: Path) -> None:
    recording = tmp_path / "sure.jsonl"
    text = "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>lamp"
    line = {"page": 1, "text": text, "logprobs": [[len(text) - 4, 0], [len(text), -0.6931]]}
    recording.write_text(json.dumps(line) + "\n")
    loader = DeepSeekOCRLoader(pdf, backend=f"replay:{recording}", pages="1")
    metadata = loader.load()[0].metadata
    assert metadata["boxes"][0]["confidence"] == pytest.approx(0.5, abs=1e-4)
    assert metadata["confidence"] == pytest.approx(0.5**0.5, abs=1e-4)


def test_offsets_of_boxes_select_their_text_from_the_page(pdf: Path, reader: Reader) -> None:
    document = DeepSeekOCRLoader(pdf, reader=reader, pages="1").load()[0]
    cut = [
        (box["kind"], document.page_content[box["start"] : box["end"]])
        for box in document.metadata["boxes"]
    ]
    assert cut == [
        ("title", "# The lighthouse"),
        ("text", "The keeper lights the lamp at dusk."),
        ("text", "The keeper lights the lamp at dusk."),
        ("image", ""),
    ]
    title = document.metadata["boxes"][0]["bbox"]
    assert title == pytest.approx([100 / 999, 50 / 999, 900 / 999, 90 / 999], abs=1e-6)


def test_a_failed_page_is_kept_with_its_error_unless_set_otherwise(
    pdf: Path, reader: Reader
) -> None:
    kept = DeepSeekOCRLoader(pdf, reader=reader).load()[2]
    assert (kept.page_content, kept.metadata["finish_reason"]) == ("", "error")
    assert "torn" in kept.metadata["error"]
    skipped = DeepSeekOCRLoader(pdf, reader=reader, on_error="skip").load()
    assert [d.metadata["page"] for d in skipped] == [0, 1, 3, 4]
    raising = DeepSeekOCRLoader(pdf, reader=reader, on_error="raise").lazy_load()
    assert [next(raising).metadata["page"] for _ in range(2)] == [0, 1]
    with pytest.raises(DeepSeekOCRError, match=r"report\.pdf, page 3"):
        next(raising)


def test_the_first_document_comes_before_the_last_page_is_read(
    pdf: Path, reader: Reader, backend: Any
) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader).lazy_load()
    next(documents)
    assert backend.asked == [1]
    assert len(list(documents)) == 4


def test_loading_can_stop_early_and_be_repeated(pdf: Path, reader: Reader) -> None:
    loader = DeepSeekOCRLoader(pdf, reader=reader)
    documents = loader.lazy_load()
    next(documents)
    documents.close()  # type: ignore[attr-defined]
    assert loader.load() == loader.load()


def test_mode_block_gives_a_document_for_every_block_with_text(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRLoader(pdf, mode="block", reader=reader, pages="1,4").load()
    assert [d.page_content for d in documents] == [
        "# The lighthouse",
        "The keeper lights the lamp at dusk.",
        "## Wrecks",
        "Four ships were lost.",
    ]
    for document in documents:
        for box in document.metadata["boxes"]:
            assert (box["start"], box["end"]) == (0, len(document.page_content))
    assert documents[1].metadata["section"] == "The lighthouse"


def test_mode_block_drops_no_page(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRLoader(pdf, mode="block", reader=reader).load()
    assert {d.metadata["page"] for d in documents} == {0, 1, 2, 3, 4}


def test_mode_document_gives_one_with_offsets_into_all_its_text(pdf: Path, reader: Reader) -> None:
    (document,) = DeepSeekOCRLoader(pdf, mode="document", reader=reader).load()
    assert document.page_content.startswith("# The lighthouse\n\n")
    assert document.page_content.endswith("\n\nThe end.")
    last = boxes_for(document)[-1]
    assert document.page_content[last["start"] : last["end"]] == "The end."
    assert last["page"] == 4
    assert document.metadata["finish_reason"] == "error"
    assert document.metadata["error"].startswith("page 3: ")


def test_ids_stay_the_same_when_read_again_and_differ_between_pages(
    pdf: Path, reader: Reader
) -> None:
    def ids(**values: Any) -> list[str | None]:
        return [d.id for d in DeepSeekOCRLoader(pdf, reader=reader, **values).load()]

    assert ids() == ids()
    everything = [*ids(), *ids(mode="block"), *ids(mode="document")]
    assert None not in everything
    assert len(set(everything)) == len(everything)


def test_bytes_without_a_name_do_not_share_ids(pdf: Path, reader: Reader, sample: Path) -> None:
    first = DeepSeekOCRLoader(pdf.read_bytes(), reader=reader, pages="1").load()
    second = DeepSeekOCRLoader(sample.read_bytes(), reader=reader, pages="1").load()
    assert first[0].id != second[0].id
    assert first[0].page_content == second[0].page_content


def test_flat_metadata_has_only_scalars(pdf: Path, reader: Reader) -> None:
    for document in DeepSeekOCRLoader(pdf, reader=reader, flat_metadata=True).load():
        assert all(isinstance(v, str | int | float | bool) for v in document.metadata.values())
        assert isinstance(json.loads(document.metadata["boxes"]), list)


@pytest.mark.parametrize("pages", ["2,4-5", [2, 4, 5]])
def test_pages_can_be_selected_and_keep_their_numbers(
    pdf: Path, reader: Reader, pages: str | list[int]
) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader, pages=pages).load()
    assert [d.metadata["page_label"] for d in documents] == ["2", "4", "5"]
    assert {d.metadata["total_pages"] for d in documents} == {5}


def test_several_files_are_loaded_in_order(pdf: Path, reader: Reader) -> None:
    with pdf.open("rb") as opened:
        files: list[Any] = [str(pdf), pdf, pdf.read_bytes(), io.BytesIO(pdf.read_bytes()), opened]
        documents = DeepSeekOCRLoader(files, reader=reader, pages="5").load()
    assert [d.page_content for d in documents] == ["The end."] * 5


def test_a_file_that_cannot_be_opened_raises_or_is_skipped_with_a_warning(
    folder: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    files = [folder / "broken.pdf", folder / "report.pdf"]
    with pytest.raises(CorruptSourceError):
        DeepSeekOCRLoader(files, reader=reader).load()
    with caplog.at_level(logging.WARNING):
        documents = DeepSeekOCRLoader(files, reader=reader, on_error="skip").load()
    assert {d.metadata["source"] for d in documents} == {str(folder / "report.pdf")}
    assert "broken.pdf" in caplog.text


def test_mistakes_are_typed_errors(folder: Path, reader: Reader) -> None:
    with pytest.raises(SourceNotFoundError):
        DeepSeekOCRLoader(folder / "missing.pdf", reader=reader).load()
    with pytest.raises(PageRangeError):
        DeepSeekOCRLoader(folder / "report.pdf", reader=reader, pages="6").load()
    with pytest.raises(SourceNotAllowedError):
        DeepSeekOCRLoader("https://example.com/a.pdf", reader=reader).load()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "gundam"}, "resolution="),
        ({"on_error": "ignore"}, "keep, raise, skip"),
        ({"resolution": "huge"}, "huge"),
        ({"task": "sing"}, "sing"),
        ({"dpi": 300}, "dpi"),
        ({"reader": Reader("lite"), "backend": "lite"}, "reader and backend"),
    ],
)
def test_invalid_arguments_are_refused_before_loading(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DeepSeekOCRLoader("a.pdf", **values)


def test_the_resolution_goes_to_the_reader_and_into_the_metadata(pdf: Path, backend: Any) -> None:
    loader = DeepSeekOCRLoader(pdf, backend=backend, resolution="tiny", pages="1")
    assert loader.load()[0].metadata["resolution"] == "tiny"


async def test_asynchronous_loading_gives_the_same(pdf: Path, reader: Reader) -> None:
    loader = DeepSeekOCRLoader([pdf, pdf], reader=reader)
    assert await loader.aload() == loader.load()


class Slow:
    """A backend that takes a while for every page, as models do: until the event loop has gone on."""

    name = "slow"
    model = "none"
    needs_image = False
    reads_text_layer = False

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            for _ in range(4):
                assert self.turns.acquire(timeout=120), "the event loop stands still"
            yield Reply(request.key, "word")

    def close(self) -> None:
        pass


async def test_the_event_loop_runs_while_a_page_is_read(pdf: Path) -> None:
    backend = Slow()

    async def turn() -> None:
        while True:
            await asyncio.sleep(0.01)
            backend.turns.release()

    turning = asyncio.create_task(turn())
    loader = DeepSeekOCRLoader(pdf, backend=backend, pages="1-3")
    texts = [document.page_content async for document in loader.alazy_load()]
    turning.cancel()
    assert texts == ["word"] * 3


def test_chunks_with_a_start_index_keep_their_boxes(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader, pages="1").load()
    splitter = RecursiveCharacterTextSplitter(chunk_size=40, chunk_overlap=0, add_start_index=True)
    chunks = splitter.split_documents(documents)
    assert [chunk.page_content for chunk in chunks] == [
        "# The lighthouse",
        "The keeper lights the lamp at dusk.",
    ]
    assert [box["kind"] for box in boxes_for(chunks[0])] == ["title"]
    assert [box["kind"] for box in boxes_for(chunks[1])] == ["text", "text", "image"]


@pytest.mark.parametrize("flat", [False, True])
def test_boxes_are_found_for_any_part_of_a_document(pdf: Path, reader: Reader, flat: bool) -> None:
    document = DeepSeekOCRLoader(pdf, reader=reader, pages="1", flat_metadata=flat).load()[0]
    start = document.page_content.index("lamp")
    assert [box["kind"] for box in boxes_for(document, start, start + 4)] == ["text", "text"]
    assert len(boxes_for(document)) == 4


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_every_chunk_of_the_sample_has_boxes(sample: Path) -> None:
    documents = DeepSeekOCRLoader(sample, backend="lite", pages="1").load()
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=200, chunk_overlap=20, add_start_index=True
    )
    chunks = splitter.split_documents(documents)
    assert len(chunks) > 3
    for chunk in chunks:
        found = boxes_for(chunk)
        # The page number "i" is in many words, and LangChain notes one of those.
        assert found or chunk.page_content == "i"
        start = chunk.metadata["start_index"]
        assert documents[0].page_content[start:].startswith(chunk.page_content)


def test_a_folder_is_loaded_in_order_with_a_filter(
    pdf: Path, reader: Reader, tmp_path: Path
) -> None:
    for name in ("scan-10.pdf", "scan-2.pdf", "sub/c.pdf", "notes.txt"):
        (tmp_path / "papers" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "papers" / name).write_bytes(pdf.read_bytes())
    folder = tmp_path / "papers"

    def sources(**options: Any) -> list[str]:
        loader = DeepSeekOCRLoader(folder, reader=reader, pages="1", **options)
        return [
            str(Path(document.metadata["source"]).relative_to(folder)) for document in loader.load()
        ]

    assert sources() == ["scan-2.pdf", "scan-10.pdf", "sub/c.pdf"]
    assert sources(match="s*", recursive=False) == ["scan-2.pdf", "scan-10.pdf"]
    ids = [document.id for document in DeepSeekOCRLoader(folder, reader=reader).lazy_load()]
    assert len(set(ids)) == len(ids)


async def test_a_folder_is_loaded_without_blocking(pdf: Path, reader: Reader) -> None:
    loader = DeepSeekOCRLoader(pdf.parent, reader=reader, pages="1", match=pdf.name)
    (document,) = [each async for each in loader.alazy_load()]
    assert document.metadata["source"] == str(pdf.parent / pdf.name)


def test_progress_is_shown_on_request(
    pdf: Path, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = DeepSeekOCRLoader(pdf, reader=reader)
    loader.load()
    assert capsys.readouterr().err == ""
    loader.load(show_progress=True)
    assert "5/5" in capsys.readouterr().err


async def test_a_refused_thread_is_our_error(
    pdf: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")  # as Python says it

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BusyError, match="no more threads"):
            await DeepSeekOCRLoader(pdf, reader=reader).aload()
    assert (
        await DeepSeekOCRLoader(pdf, reader=reader).aload()
        == DeepSeekOCRLoader(pdf, reader=reader).load()
    )
