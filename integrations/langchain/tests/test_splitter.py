"""LayoutTextSplitter: documents to chunks that keep their pages and boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import BaseDocumentTransformer, Document
from langchain_deepseek_ocr import DeepSeekOCRLoader, LayoutTextSplitter, boxes_for
from langchain_text_splitters import RecursiveCharacterTextSplitter, TextSplitter

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import ConfigurationError


@pytest.fixture
def chunks(pdf: Path, reader: Reader) -> list[Document]:
    return LayoutTextSplitter().split_documents(DeepSeekOCRLoader(pdf, reader=reader).load())


def test_blocks_are_joined_under_their_heading(chunks: list[Document]) -> None:
    assert [chunk.page_content for chunk in chunks] == [
        "# The lighthouse\n\nThe keeper lights the lamp at dusk.",
        "The lamp burns whale oil.",
        "## Wrecks\n\nFour ships were lost.",
        "The end.",
    ]
    assert [chunk.metadata["section"] for chunk in chunks] == [
        "The lighthouse",
        "The lighthouse",
        "The lighthouse > Wrecks",
        "The lighthouse > Wrecks",
    ]


def test_every_chunk_has_its_page_and_boxes(chunks: list[Document]) -> None:
    assert [chunk.metadata["page"] for chunk in chunks] == [0, 1, 3, 4]
    assert [[box["kind"] for box in boxes_for(chunk)] for chunk in chunks] == [
        ["title", "text", "text"],
        ["text"],
        ["sub_title", "text"],
        ["text"],
    ]


def test_the_boxes_of_a_part_of_a_chunk_are_found(chunks: list[Document]) -> None:
    start = chunks[2].page_content.index("Four")
    assert [box["kind"] for box in boxes_for(chunks[2], start, start + 4)] == ["text"]


@pytest.mark.parametrize("mode", ["page", "block", "document"])
@pytest.mark.parametrize("flat", [False, True])
def test_all_modes_of_the_loader_give_the_same_chunks(
    pdf: Path, reader: Reader, chunks: list[Document], mode: str, flat: bool
) -> None:
    loader = DeepSeekOCRLoader(pdf, reader=reader, mode=mode, flat_metadata=flat)  # type: ignore[arg-type]
    found = LayoutTextSplitter().split_documents(loader.load())
    assert [chunk.page_content for chunk in found] == [chunk.page_content for chunk in chunks]
    assert [boxes_for(chunk) for chunk in found] == [boxes_for(chunk) for chunk in chunks]
    assert [chunk.metadata["page"] for chunk in found] == [0, 1, 3, 4]
    if flat:
        assert isinstance(found[0].metadata["boxes"], str)


def test_ids_are_deterministic(pdf: Path, reader: Reader, chunks: list[Document]) -> None:
    again = LayoutTextSplitter().split_documents(DeepSeekOCRLoader(pdf, reader=reader).load())
    assert [chunk.id for chunk in again] == [chunk.id for chunk in chunks]
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_it_is_a_document_transformer(pdf: Path, reader: Reader, chunks: list[Document]) -> None:
    splitter = LayoutTextSplitter()
    assert isinstance(splitter, BaseDocumentTransformer)
    assert splitter.transform_documents(DeepSeekOCRLoader(pdf, reader=reader).load()) == chunks


def test_it_is_a_text_splitter_as_other_parts_of_langchain_want_one(
    pdf: Path, reader: Reader, chunks: list[Document]
) -> None:
    splitter = LayoutTextSplitter(max_tokens=16)
    assert isinstance(splitter, TextSplitter)
    assert splitter.split_text("# One\n\nFirst.\n\n# Two\n\nSecond.") == [
        "# One\n\nFirst.",
        "# Two\n\nSecond.",
    ]
    made = splitter.create_documents(["# One\n\nFirst."], [{"source": "a.md"}])
    assert [document.metadata["source"] for document in made] == ["a.md"]
    by_length = LayoutTextSplitter(max_tokens=16, length_function=len)
    assert by_length.split_text("one two three four five") == ["one two three", "four five"]
    with pytest.raises(ConfigurationError, match="length_function"):
        LayoutTextSplitter(count_tokens=len, length_function=len)


def test_chunks_of_another_splitter_get_no_foreign_boxes(pdf: Path, reader: Reader) -> None:
    pages = DeepSeekOCRLoader(pdf, reader=reader, pages="4").load()
    first = RecursiveCharacterTextSplitter(chunk_size=25, chunk_overlap=0)
    (chunk,) = LayoutTextSplitter().split_documents(first.split_documents(pages))
    cut = [(box["kind"], chunk.page_content[box["start"] : box["end"]]) for box in boxes_for(chunk)]
    assert cut == [("sub_title", "## Wrecks"), ("text", "Four ships were lost.")]


async def test_it_works_asynchronously(pdf: Path, reader: Reader, chunks: list[Document]) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader).load()
    assert await LayoutTextSplitter().atransform_documents(documents) == chunks


def test_a_second_splitter_keeps_the_boxes(chunks: list[Document]) -> None:
    splitter = RecursiveCharacterTextSplitter(chunk_size=25, chunk_overlap=0, add_start_index=True)
    parts = splitter.split_documents(chunks[2:3])
    assert [part.page_content for part in parts] == ["## Wrecks", "Four ships were lost."]
    assert [[box["kind"] for box in boxes_for(part)] for part in parts] == [["sub_title"], ["text"]]


def test_max_tokens_can_count_characters(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRLoader(pdf, reader=reader).load()
    splitter = LayoutTextSplitter(max_tokens=40, count_tokens=len)
    lengths = [len(chunk.page_content) for chunk in splitter.split_documents(documents)]
    assert max(lengths) <= 40
    assert len(lengths) > 4


def test_documents_of_other_loaders_are_split_by_their_markdown() -> None:
    document = Document("# One\n\nFirst.\n\n# Two\n\nSecond.", metadata={"source": "notes.md"})
    chunks = LayoutTextSplitter(max_tokens=16).split_documents([document])
    assert [(chunk.page_content, chunk.metadata, chunk.id) for chunk in chunks] == [
        ("# One\n\nFirst.", {"source": "notes.md", "section": "One"}, None),
        ("# Two\n\nSecond.", {"source": "notes.md", "section": "Two"}, None),
    ]


def test_too_small_max_tokens_are_refused_when_the_splitter_is_created() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        LayoutTextSplitter(max_tokens=3)


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_every_chunk_of_the_sample_has_boxes_on_its_pages(sample: Path) -> None:
    # Without the second page, a scan that takes ten seconds and would show nothing new.
    documents = DeepSeekOCRLoader(sample, backend="lite", pages="1,3").load()
    by_page = {document.metadata["page"]: document.page_content for document in documents}
    chunks = LayoutTextSplitter(max_tokens=200).split_documents(documents)
    assert len(chunks) > 10
    for chunk in chunks:
        assert boxes_for(chunk)
        for span in chunk.metadata["spans"]:
            page, length = by_page[span["page"]], span["end"] - span["start"]
            at = span["offset"]
            assert chunk.page_content[at : at + length] == page[span["start"] : span["end"]]
