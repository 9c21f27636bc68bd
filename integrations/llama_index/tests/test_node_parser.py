"""DeepSeekOCRNodeParser: documents to nodes that keep their pages and boxes."""

from __future__ import annotations

import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    SentenceSplitter,
    TokenTextSplitter,
)
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.readers.deepseek_ocr import (
    AnswerVerifier,
    DeepSeekOCRNodeParser,
    DeepSeekOCRReader,
    boxes_for,
)
from llama_index.readers.deepseek_ocr.token_counter import counter_fingerprint

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


def test_a_node_of_one_block_of_several_has_the_boxes_of_its_own_text(
    pdf: Path, core: Reader, backend: Any
) -> None:
    """LlamaIndex adds the metadata of the page, in whose text the block is elsewhere."""
    lines = ("The keeper lights the lamp at dusk.", "The lamp burns whale oil until dawn.")
    backend.replies[2] = "\n\n".join(
        f"<|ref|>text<|/ref|><|det|>[[100, {place}, 900, {place + 50}]]<|/det|>\n{line}"
        for place, line in zip((100, 200), lines, strict=True)
    )
    documents = DeepSeekOCRReader(reader=core, on_error="skip").load_data(pdf)
    nodes = DeepSeekOCRNodeParser(max_tokens=16).get_nodes_from_documents(documents)
    (node,) = [node for node in nodes if node.get_content() == lines[1]]
    assert [box["bbox"][1] for box in boxes_for(node)] == [0.2002]
    checked = AnswerVerifier().verify("The lamp burns whale oil until dawn.", [node])
    (citation,) = checked.citations
    assert [box.y0 for box in citation.boxes] == [0.2002]
    assert citation.span == (len(lines[0]) + 2, len(lines[0]) + 2 + len(lines[1]))


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


def test_nodes_of_nodes_get_the_boxes_of_their_own_text(documents: list[Document]) -> None:
    for document in documents:
        document.text_template = "{content}"
    parser = HierarchicalNodeParser.from_defaults(
        node_parser_ids=["whole", "parts"],
        node_parser_map={
            "whole": TokenTextSplitter(chunk_size=2000, chunk_overlap=0, tokenizer=list),
            "parts": TokenTextSplitter(chunk_size=75, chunk_overlap=0, tokenizer=list),
        },
    )
    nodes = parser.get_nodes_from_documents(documents[:1])
    kinds = [[box["kind"] for box in boxes_for(node)] for node in nodes]
    assert kinds == [["title", "text"], ["title", "text"], ["text"]]
    assert nodes[-1].get_content() not in documents[0].text[:20]


def test_a_node_that_cannot_be_placed_has_no_boxes_and_the_log_says_why(
    documents: list[Document], caplog: pytest.LogCaptureFixture
) -> None:
    node = TextNode(text="A summary of the page.", metadata=documents[0].metadata)
    assert boxes_for(node) == []
    assert "report.pdf, page 1: its text does not occur in what was read" in caplog.text


def test_the_cache_of_a_pipeline_notices_another_count_of_tokens(
    documents: list[Document],
) -> None:
    cache = IngestionCache()

    def lengths(count: Any) -> list[int]:
        parser = DeepSeekOCRNodeParser(max_tokens=32, count_tokens=count)
        pipeline = IngestionPipeline(transformations=[parser], cache=cache)
        return [len(node.get_content()) for node in pipeline.run(documents=documents)]

    expected = {
        name: [len(n.get_content()) for n in
               DeepSeekOCRNodeParser(max_tokens=32, count_tokens=count)
               .get_nodes_from_documents(documents)]
        for name, count in COUNTERS.items()
    }  # fmt: skip
    assert {name: lengths(count) for name, count in COUNTERS.items()} == expected
    assert len({str(each) for each in expected.values()}) > 1
    assert {name: lengths(count) for name, count in COUNTERS.items()} == expected
    fingerprints = {counter_fingerprint(count) for count in COUNTERS.values()}
    assert len(fingerprints) == len(COUNTERS)


class Weighing:
    def __init__(self, weight: int) -> None:
        self.weight = weight

    def __call__(self, text: str) -> int:
        return len(text) * self.weight


COUNTERS: dict[str, Any] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "half": lambda text: len(text) // 2,
    "third": lambda text: len(text) // 3,
    "object": Weighing(2),
    "other object": Weighing(5),
}


def test_a_stored_parser_wants_its_own_count_of_tokens_again() -> None:
    stored = DeepSeekOCRNodeParser(max_tokens=32, count_tokens=len).to_dict()
    with pytest.raises(ConfigurationError, match="another count_tokens"):
        DeepSeekOCRNodeParser.from_dict(stored)
    assert DeepSeekOCRNodeParser.from_dict(stored, count_tokens=len).count_tokens is len
    assert DeepSeekOCRNodeParser.from_dict(DeepSeekOCRNodeParser().to_dict()).max_tokens == 400


def test_what_cannot_be_pickled_is_not_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(DeepSeekOCRNodeParser(count_tokens=lambda text: 1))
    pickle.dumps(DeepSeekOCRNodeParser(count_tokens=len))
    assert caplog.text == ""


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
