"""DeepSeekOCRRetriever: finds nodes by words and by meaning."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import BaseNode, TextNode
from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader, boxes_for
from llama_index.retrievers.deepseek_ocr import DeepSeekOCRRetriever

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import BusyError, ConfigurationError


@pytest.fixture
def nodes(pdf: Path, core: Reader) -> list[BaseNode]:
    documents = DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)
    return DeepSeekOCRNodeParser().get_nodes_from_documents(documents)


def test_the_best_node_is_found_with_its_boxes(nodes: list[BaseNode]) -> None:
    best = DeepSeekOCRRetriever(nodes).retrieve("What does the lamp burn?")[0]
    assert best.node is nodes[1]
    assert best.score is not None
    assert best.score > 0
    assert [box["kind"] for box in boxes_for(best.node)] == ["text"]


def test_a_page_named_in_the_question_comes_first(nodes: list[BaseNode]) -> None:
    best = DeepSeekOCRRetriever(nodes).retrieve("What is said of the lamp on page 4?")[0]
    assert best.node.metadata["page"] == 3


def test_top_k_is_respected_and_neighbours_are_added(nodes: list[BaseNode]) -> None:
    assert len(DeepSeekOCRRetriever(nodes, similarity_top_k=1).retrieve("lamp")) == 1
    around = DeepSeekOCRRetriever(nodes, similarity_top_k=1, neighbours=1).retrieve("whale")
    assert [found.node for found in around] == nodes
    assert [bool(found.score) for found in around] == [False, True, False]


def test_nothing_is_found_if_nothing_matches(nodes: list[BaseNode]) -> None:
    assert DeepSeekOCRRetriever(nodes).retrieve("xylophone") == []
    assert DeepSeekOCRRetriever([]).retrieve("lamp") == []


def test_embeddings_find_what_shares_no_word(nodes: list[BaseNode], minilm: BaseEmbedding) -> None:
    (best,) = DeepSeekOCRRetriever(nodes, similarity_top_k=1, embed_model=minilm).retrieve("fuel")
    assert best.node is nodes[1]


async def test_it_works_asynchronously(nodes: list[BaseNode]) -> None:
    retriever = DeepSeekOCRRetriever(nodes, similarity_top_k=1)
    assert await retriever.aretrieve("whale oil") == retriever.retrieve("whale oil")


def test_it_works_in_a_query_engine(nodes: list[BaseNode]) -> None:
    engine = RetrieverQueryEngine.from_args(
        DeepSeekOCRRetriever(nodes, similarity_top_k=1), llm=MockLLM()
    )
    response = engine.query("What does the lamp burn?")
    assert [source.node for source in response.source_nodes] == [nodes[1]]


def test_nodes_of_other_parsers_are_found_by_their_text() -> None:
    other = TextNode(text="An oar.")
    found = DeepSeekOCRRetriever([TextNode(text="A lamp."), other]).retrieve("oar")
    assert [hit.node for hit in found] == [other]


def test_invalid_arguments_are_refused(nodes: list[BaseNode]) -> None:
    with pytest.raises(ConfigurationError, match="0 nodes"):
        DeepSeekOCRRetriever(nodes, similarity_top_k=0)
    with pytest.raises(ConfigurationError, match="-1 neighbours"):
        DeepSeekOCRRetriever(nodes, neighbours=-1)
    with pytest.raises(ConfigurationError, match="no embedding model"):
        DeepSeekOCRRetriever(nodes, embed_model="tiny")


async def test_a_refused_thread_is_our_error(
    nodes: list[BaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")  # as Python says it

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BusyError, match="no more threads"):
            await DeepSeekOCRRetriever(nodes).aretrieve("lamp")
    assert await DeepSeekOCRRetriever(nodes).aretrieve("lamp") == DeepSeekOCRRetriever(
        nodes
    ).retrieve("lamp")
