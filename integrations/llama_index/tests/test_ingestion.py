"""Documents in an ingestion pipeline that runs repeatedly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import SimpleDirectoryReader
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.readers.deepseek_ocr import DeepSeekOCRReader

from deepseek_ocr_rag import Reader


@pytest.fixture
def pipeline() -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[SentenceSplitter(), MockEmbedding(embed_dim=4)],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )


def stored(pipeline: IngestionPipeline) -> int:
    assert isinstance(pipeline.vector_store, SimpleVectorStore)
    return len(pipeline.vector_store.data.embedding_dict)


def test_unchanged_pages_are_not_ingested_again(
    pipeline: IngestionPipeline, folder: Path, core: Reader
) -> None:
    def documents() -> Any:
        reader = DeepSeekOCRReader(reader=core, on_error="skip")
        return SimpleDirectoryReader(folder, file_extractor={".pdf": reader}).load_data()

    assert len(pipeline.run(documents=documents())) == 3
    assert pipeline.run(documents=documents()) == []
    assert stored(pipeline) == 3


def test_only_a_changed_page_is_ingested_again_and_replaced(
    pipeline: IngestionPipeline, pdf: Path, core: Reader, backend: Any
) -> None:
    reader = DeepSeekOCRReader(reader=core, on_error="skip")
    pipeline.run(documents=reader.load_data(pdf))
    backend.replies[2] = backend.replies[2].replace("whale oil", "paraffin")
    (node,) = pipeline.run(documents=reader.load_data(pdf))
    assert "paraffin" in node.get_content()
    assert node.metadata["page_label"] == "2"
    assert stored(pipeline) == 3


def test_a_failed_page_is_ingested_once_it_can_be_read(
    pipeline: IngestionPipeline, pdf: Path, core: Reader, backend: Any
) -> None:
    reader = DeepSeekOCRReader(reader=core)
    pipeline.run(documents=reader.load_data(pdf))
    backend.replies[3] = "Mended."
    (node,) = pipeline.run(documents=reader.load_data(pdf))
    assert node.get_content() == "Mended."
