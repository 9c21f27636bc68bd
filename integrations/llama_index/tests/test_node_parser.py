"""DeepSeekOCRNodeParser: documents to nodes that keep their pages and boxes."""

from __future__ import annotations

import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader, boxes_for

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import ConfigurationError

pytestmark = pytest.mark.minimum


@pytest.fixture
def documents(pdf: Path, core: Reader) -> list[Document]:
    return DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)


@pytest.fixture
def nodes(documents: list[Document]) -> list[BaseNode]:
    return DeepSeekOCRNodeParser().get_nodes_from_documents(documents)


def test_blocks_are_joined_under_their_heading(nodes: list[BaseNode]) -> None:
    assert [node.get_content() for node in nodes] == [
        "# The lighthouse\n\nThe keeper lights the lamp at dusk.",
        "The lamp burns whale oil.",
        "The end.",
    ]
    assert [node.metadata["section"] for node in nodes] == ["The lighthouse"] * 3


def test_the_page_is_the_source_of_its_nodes(
    nodes: list[BaseNode], documents: list[Document]
) -> None:
    assert [node.ref_doc_id for node in nodes] == [document.id_ for document in documents]
    assert [node.metadata["page"] for node in nodes] == [0, 1, 3]


def test_every_node_has_its_boxes(nodes: list[BaseNode]) -> None:
    kinds = [[box["kind"] for box in boxes_for(node)] for node in nodes]
    assert kinds == [["title", "text"], ["text"], ["text"]]
    start = nodes[0].get_content().index("lamp")
    assert [box["kind"] for box in boxes_for(nodes[0], start, start + 4)] == ["text"]


def test_models_see_only_the_label_and_section(nodes: list[BaseNode]) -> None:
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        shown = nodes[0].get_metadata_str(mode).splitlines()
        assert [line.split(":")[0] for line in shown] == ["page_label", "section"]


def test_ids_are_deterministic_unless_id_func_is_given(documents: list[Document]) -> None:
    first, second = (DeepSeekOCRNodeParser().get_nodes_from_documents(documents) for _ in "ab")
    assert [node.node_id for node in first] == [node.node_id for node in second]
    parser = DeepSeekOCRNodeParser(id_func=lambda number, node: f"{number} of {node.node_id}")
    own = parser.get_nodes_from_documents(documents)
    assert [node.node_id for node in own] == [f"0 of {document.id_}" for document in documents]


def test_nodes_of_one_page_link_to_each_other(documents: list[Document]) -> None:
    parser = DeepSeekOCRNodeParser(max_tokens=32, count_tokens=len)
    first, second, *_ = parser.get_nodes_from_documents(documents)
    assert first.next_node is not None
    assert first.next_node.node_id == second.node_id
    assert NodeRelationship.PREVIOUS not in first.relationships


def test_it_is_pickled_with_its_settings(documents: list[Document]) -> None:
    parser = DeepSeekOCRNodeParser(max_tokens=32, count_tokens=len)
    copy = pickle.loads(pickle.dumps(parser))
    assert copy.get_nodes_from_documents(documents) == parser.get_nodes_from_documents(documents)
    assert parser.to_dict()["max_tokens"] == 32


def test_metadata_can_be_left_out(documents: list[Document]) -> None:
    parser = DeepSeekOCRNodeParser(include_metadata=False)
    assert [node.metadata for node in parser.get_nodes_from_documents(documents)] == [{}] * 3


@pytest.mark.skipif(
    version("llama-index-core") == "0.14.0",
    reason="SentenceSplitter of LlamaIndex 0.14.0 downloads word lists",
)
def test_nodes_of_other_splitters_keep_their_boxes(documents: list[Document]) -> None:
    splitter = SentenceSplitter(chunk_size=70, chunk_overlap=0, tokenizer=list)
    first, *_, last = splitter.get_nodes_from_documents(documents[:1])
    assert first.get_content().startswith("# The lighthouse")
    assert boxes_for(first)[0]["kind"] == "title"
    assert [box["kind"] for box in boxes_for(last)] == ["text"]


def test_documents_of_other_readers_are_parsed_by_their_markdown() -> None:
    document = Document(text="# One\n\nFirst.\n\n# Two\n\nSecond.")
    nodes = DeepSeekOCRNodeParser(max_tokens=16).get_nodes_from_documents([document])
    assert [(node.get_content(), node.metadata) for node in nodes] == [
        ("# One\n\nFirst.", {"section": "One"}),
        ("# Two\n\nSecond.", {"section": "Two"}),
    ]


def test_too_small_max_tokens_are_refused_when_the_parser_is_created() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        DeepSeekOCRNodeParser(max_tokens=3)


def test_only_a_changed_page_is_ingested_again(pdf: Path, core: Reader, backend: Any) -> None:
    store = SimpleVectorStore()
    pipeline = IngestionPipeline(
        transformations=[DeepSeekOCRNodeParser(), MockEmbedding(embed_dim=4)],
        docstore=SimpleDocumentStore(),
        vector_store=store,
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )
    reader = DeepSeekOCRReader(reader=core, on_error="skip")
    assert len(pipeline.run(documents=reader.load_data(pdf))) == 3
    backend.replies[2] = backend.replies[2].replace("whale oil", "paraffin")
    (node,) = pipeline.run(documents=reader.load_data(pdf))
    assert node.get_content() == "The lamp burns paraffin."
    assert node.metadata["section"] == "The lighthouse"
    assert len(store.data.embedding_dict) == 3
