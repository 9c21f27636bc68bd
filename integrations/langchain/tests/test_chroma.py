"""Chunks in Chroma on disk: closed, opened again, searched, and traced to their boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_deepseek_ocr import (
    DeepSeekOCRLoader,
    DocumentRetriever,
    LayoutTextSplitter,
    boxes_for,
)

from deepseek_ocr_rag import Reader


@pytest.fixture
def chunks(pdf: Path, reader: Reader) -> list[Document]:
    pages = DeepSeekOCRLoader(pdf, reader=reader, flat_metadata=True).load()
    return LayoutTextSplitter().split_documents(pages)


@pytest.fixture
def disk(tmp_path: Path) -> str:
    return str(tmp_path / "chroma")


def opened(disk: str, minilm: Embeddings) -> Chroma:
    from chromadb.api.shared_system_client import SharedSystemClient

    # Chroma caches open stores by folder: without this it would not read from disk.
    SharedSystemClient.clear_system_cache()
    return Chroma(persist_directory=disk, embedding_function=minilm)


def test_what_was_stored_is_found_after_opening_it_again(
    disk: str, chunks: list[Document], minilm: Embeddings
) -> None:
    opened(disk, minilm).add_documents(chunks)
    (best,) = opened(disk, minilm).similarity_search("Which fuel does it need?", k=1)
    assert best.page_content == "The lamp burns whale oil."
    assert best.metadata["page"] == 1
    assert boxes_for(best) == boxes_for(chunks[1]) != []
    assert json.loads(best.metadata["boxes"])[0]["bbox"] == [0.1001, 0.1001, 0.900901, 0.2002]


def test_reading_again_replaces_instead_of_doubling(
    disk: str, chunks: list[Document], minilm: Embeddings
) -> None:
    opened(disk, minilm).add_documents(chunks)
    store = opened(disk, minilm)
    store.add_documents(chunks)
    assert len(store.get()["ids"]) == len(chunks)


def test_what_a_store_gives_back_can_be_searched_by_words(
    disk: str, chunks: list[Document], minilm: Embeddings
) -> None:
    opened(disk, minilm).add_documents(chunks)
    stored = opened(disk, minilm).get()
    documents = [
        Document(text, id=identity, metadata=metadata)
        for identity, text, metadata in zip(
            stored["ids"], stored["documents"], stored["metadatas"], strict=True
        )
    ]
    (best,) = DocumentRetriever(documents=documents, k=1).invoke("whale oil")
    assert (best.id, best.metadata["page"]) == (chunks[1].id, 1)
