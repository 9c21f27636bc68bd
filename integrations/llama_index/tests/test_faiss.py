"""Nodes in FAISS on disk: written, opened again, searched, and traced to their boxes."""

from __future__ import annotations

from pathlib import Path

import faiss
import pytest
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode
from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader, boxes_for
from llama_index.retrievers.deepseek_ocr import DeepSeekOCRRetriever
from llama_index.vector_stores.faiss import FaissVectorStore

from deepseek_ocr_rag import Reader

DIMENSIONS = 384


@pytest.fixture
def nodes(pdf: Path, core: Reader) -> list[BaseNode]:
    documents = DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)
    return DeepSeekOCRNodeParser().get_nodes_from_documents(documents)


@pytest.fixture
def disk(tmp_path: Path, nodes: list[BaseNode], minilm: BaseEmbedding) -> str:
    """A folder with a stored index, closed again."""
    store = FaissVectorStore(faiss_index=faiss.IndexFlatL2(DIMENSIONS))
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex(nodes, storage_context=context, embed_model=minilm)
    context.persist(persist_dir=str(tmp_path / "index"))
    return str(tmp_path / "index")


def opened(disk: str) -> StorageContext:
    store = FaissVectorStore.from_persist_dir(disk)
    return StorageContext.from_defaults(vector_store=store, persist_dir=disk)


def test_what_was_stored_is_found_after_opening_it_again(
    disk: str, nodes: list[BaseNode], minilm: BaseEmbedding
) -> None:
    index = load_index_from_storage(opened(disk), embed_model=minilm)
    (best,) = index.as_retriever(similarity_top_k=1).retrieve("Which fuel does it need?")
    assert best.node.get_content() == "The lamp burns whale oil."
    assert best.node.metadata["page"] == 1
    assert boxes_for(best.node) == boxes_for(nodes[1]) != []


def test_what_a_store_gives_back_can_be_searched_by_words(disk: str) -> None:
    stored = list(opened(disk).docstore.docs.values())
    (best,) = DeepSeekOCRRetriever(stored, similarity_top_k=1).retrieve("whale oil")
    assert best.node.metadata["page"] == 1
