"""DocumentRetriever: LangChain's own requirements, and what this one finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_deepseek_ocr import (
    DeepSeekOCRLoader,
    DocumentRetriever,
    LayoutTextSplitter,
    boxes_for,
)
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import ConfigurationError

LAMPS = [Document(f"The lamp of tower {n} burns oil.", metadata={"page": n}) for n in range(5)]


class TestLangChainsRequirements(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return DocumentRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"documents": LAMPS}

    @property
    def retriever_query_example(self) -> str:
        return "Which lamp burns oil?"


class TestLangChainsRequirementsWithEmbeddings(TestLangChainsRequirements):
    @pytest.fixture
    def retriever(self, minilm: Embeddings) -> BaseRetriever:
        return DocumentRetriever(documents=LAMPS, embeddings=minilm)


@pytest.fixture
def pages(pdf: Path, reader: Reader) -> list[Document]:
    return DeepSeekOCRLoader(pdf, reader=reader).load()


def test_pages_are_split_and_a_chunk_with_its_boxes_is_found(pages: list[Document]) -> None:
    best = DocumentRetriever.from_documents(pages).invoke("What does the lamp burn?")[0]
    assert best.page_content == "The lamp burns whale oil."
    assert best.metadata["page"] == 1
    assert [box["kind"] for box in boxes_for(best)] == ["text"]


def test_documents_are_returned_unchanged(pages: list[Document]) -> None:
    chunks = LayoutTextSplitter().split_documents(pages)
    assert DocumentRetriever(documents=chunks, k=1).invoke("wrecks") == [chunks[2]]


def test_flat_documents_are_found_too(pdf: Path, reader: Reader) -> None:
    flat = DeepSeekOCRLoader(pdf, reader=reader, flat_metadata=True).load()
    (best,) = DocumentRetriever.from_documents(flat, k=1).invoke("Which ships were lost on page 4?")
    assert best.metadata["page"] == 3
    assert isinstance(best.metadata["boxes"], str)


def test_neighbours_are_returned_in_document_order(pages: list[Document]) -> None:
    retriever = DocumentRetriever.from_documents(pages, k=1, neighbours=1)
    assert [d.metadata["page"] for d in retriever.invoke("whale oil")] == [0, 1, 3]


def test_nothing_is_found_if_nothing_matches(pages: list[Document]) -> None:
    assert DocumentRetriever.from_documents(pages).invoke("xylophone") == []


def test_embeddings_find_what_shares_no_word(pages: list[Document], minilm: Embeddings) -> None:
    retriever = DocumentRetriever.from_documents(pages, k=1, embeddings=minilm)
    (best,) = retriever.invoke("fuel")
    assert best.page_content == "The lamp burns whale oil."


async def test_it_works_asynchronously(pages: list[Document]) -> None:
    retriever = DocumentRetriever.from_documents(pages, k=1)
    assert await retriever.ainvoke("whale oil") == retriever.invoke("whale oil")


def test_an_empty_retriever_finds_nothing() -> None:
    assert DocumentRetriever(documents=[]).invoke("lamp") == []


@pytest.mark.parametrize("fields", [{"k": 0}, {"neighbours": -1}])
def test_an_invalid_number_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        DocumentRetriever(documents=LAMPS, **fields)
    with pytest.raises(ConfigurationError):
        DocumentRetriever(documents=LAMPS).invoke("lamp", k=0)


def test_an_unknown_embedding_model_is_refused() -> None:
    with pytest.raises(ValidationError, match="no embedding model"):
        DocumentRetriever(documents=LAMPS, embeddings="tiny")
