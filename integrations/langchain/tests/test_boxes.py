"""boxes_for on chunks of other splitters: the boxes of their text, or none and the reason."""

from __future__ import annotations

import copy
import gc
import json
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps, loads
from langchain_deepseek_ocr import DeepSeekOCRLoader, LayoutTextSplitter, boxes_for
from langchain_text_splitters import (
    CharacterTextSplitter,
    MarkdownTextSplitter,
    RecursiveCharacterTextSplitter,
    TextSplitter,
)

from deepseek_ocr_rag import Reader, parse_document
from deepseek_ocr_rag.records import boxes_between, page_records

pytestmark = pytest.mark.minimum


def words(text: str) -> int:
    """Counts as token counters do: other numbers than of characters."""
    return len(text.split())


SPLITTERS: dict[str, TextSplitter] = {
    "tokens": RecursiveCharacterTextSplitter(
        chunk_size=12, chunk_overlap=6, length_function=words, add_start_index=True
    ),
    "characters": RecursiveCharacterTextSplitter(
        chunk_size=90, chunk_overlap=20, add_start_index=True
    ),
    "nothing noted": RecursiveCharacterTextSplitter(chunk_size=120, chunk_overlap=0),
    "lines": CharacterTextSplitter(separator="\n", chunk_size=100, chunk_overlap=0),
    "markdown": MarkdownTextSplitter(chunk_size=80, chunk_overlap=10),
}


@pytest.fixture(scope="module")
def pages() -> list[Document]:
    """Real outputs of the model."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "model-outputs"
    if not folder.is_dir():
        pytest.skip("the stored outputs of the model are not here")
    made = []
    for entry in json.loads((folder / "manifest.json").read_text("utf-8"))[::120]:
        text = (folder / entry["file"]).read_text("utf-8")
        for page in parse_document(text, source=entry["file"]):
            (record,) = page_records(page, source=entry["file"], total_pages=1)
            made.append(Document(record.text, metadata=record.metadata))
    return made


def places(page: str, chunk: str) -> list[tuple[int, int]]:
    """Every place of a chunk on its page; the splitters here change spaces only."""
    bare = "".join(chunk.split())
    origins = [i for i, character in enumerate(page) if not character.isspace()]
    text = "".join(page[i] for i in origins)
    starts = (
        [found.start() for found in re.finditer(f"(?={re.escape(bare)})", text)] if bare else []
    )
    return [(origins[i], origins[i + len(bare) - 1] + 1) for i in starts]


@pytest.mark.parametrize("name", SPLITTERS)
def test_no_chunk_gets_the_boxes_of_another_text(pages: list[Document], name: str) -> None:
    right = 0
    for page in pages:
        for chunk in SPLITTERS[name].split_documents([page]):
            found = boxes_for(chunk)
            true = [
                boxes_between(page.metadata, *p)
                for p in places(page.page_content, chunk.page_content)
            ]
            assert found in true or found == []
            right += bool(found)
    assert right > 15


def test_the_log_says_why_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert boxes_for(Document("not of this package", metadata={"source": "a.md"})) == []
    assert "a.md: its metadata has no boxes" in caplog.text


# --- one document for the whole file ----------------------------------------------------------


@pytest.fixture
def whole(pdf: Path, reader: Reader) -> Document:
    (document,) = DeepSeekOCRLoader(pdf, reader=reader, mode="document").load()
    return document


def split(document: Document) -> list[Document]:
    return RecursiveCharacterTextSplitter(chunk_size=40, chunk_overlap=0).split_documents(
        [document]
    )


def test_chunks_of_a_whole_file_carry_a_reference_not_all_boxes(whole: Document) -> None:
    chunks = split(whole)
    assert all(len(json.dumps(chunk.metadata)) < 600 for chunk in chunks)
    assert {"boxes", "spans", "boxes_text"} & set(chunks[0].metadata) == set()
    pages = [{box["page"] for box in boxes_for(chunk)} for chunk in chunks]
    assert pages == [{0}, {0}, {1, 3}, {3, 4}]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_once_the_whole_file_is_gone_it_is_asked_for(
    whole: Document, pdf: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    (chunk, *_), expected = split(whole), boxes_for(split(whole)[0])
    text = dumps(whole)
    stored = [pickle.loads(pickle.dumps(whole)), loads(text, allowed_objects="core")]
    assert [boxes_for(document) for document in stored] == [boxes_for(whole)] * 2
    chunk = chunk.model_copy(update={"metadata": {**chunk.metadata, "layout": "another process"}})
    for document in stored:
        document.metadata["layout"] = "another process"
    gc.collect()
    with caplog.at_level(logging.WARNING):
        assert boxes_for(chunk) == []
    assert "documents=[...]" in caplog.text
    for document in stored:
        assert boxes_for(chunk, documents=[document]) == expected != []


def test_our_splitter_gives_its_chunks_their_own_boxes(whole: Document) -> None:
    for document in (whole, copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        chunks = LayoutTextSplitter().split_documents([document])
        assert "layout" not in chunks[0].metadata
        assert [bool(boxes_for(chunk)) for chunk in chunks] == [True] * 4


def test_a_dictionary_works_as_a_document(pdf: Path, reader: Reader) -> None:
    document = DeepSeekOCRLoader(pdf, reader=reader, pages="1").load()[0]
    forms: list[Any] = [document.model_dump(), json.loads(dumps(document))]
    assert [boxes_for(form) for form in forms] == [boxes_for(document)] * 2
