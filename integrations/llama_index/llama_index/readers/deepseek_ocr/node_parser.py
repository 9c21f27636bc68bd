"""The node parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import Field
from llama_index.core.node_parser.interface import NodeParser
from llama_index.core.node_parser.node_utils import default_id_func
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    TextNode,
)

from deepseek_ocr_rag.records import Record, boxes_between, split_records
from deepseek_ocr_rag.text import estimate_tokens

__all__ = ["DeepSeekOCRNodeParser", "boxes_for"]


class DeepSeekOCRNodeParser(NodeParser):
    """Parse documents of this package into nodes by their layout, and keep pages and boxes.

    Blocks are joined under their headings up to a budget. Headings stay with
    what follows them, captions with their figure or table, and the parts of a
    long table each repeat its head. Paragraphs that run over a column or page
    are joined, page furniture is dropped.

    Pages of one file are to follow each other, as the reader gives them. A node
    has the metadata of the page on which it begins, which is its source node.
    ``boxes`` count from the node's own text, see :func:`boxes_for`, and each
    entry has its 0-based ``page``. ``spans`` (a list of ``{page, start, end,
    offset}``) says which part of which page stands where in the node; it has no
    ``start_char_idx``, for it need not be one piece of one page. Documents of
    other readers are parsed by their Markdown and have no boxes.

    Ids are made of the id of the page, so that parsing again gives the same,
    unless an ``id_func`` is given.

    Attributes:
        max_tokens: Budget for a node's text, at least 16. Captions and the head
            of a table may exceed it.
        count_tokens: Tokens of a text: your embedding model's tokenizer, or
            ``len`` for a budget in characters. An estimate without it. It is
            pickled, and left out of ``to_dict`` and ``to_json``.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.

    Example:
        >>> parser = DeepSeekOCRNodeParser(max_tokens=256)
        >>> nodes = parser.get_nodes_from_documents(reader.load_data(path))  # doctest: +SKIP
        >>> nodes[0].metadata["section"]  # doctest: +SKIP
        'Methods > Sampling'
    """

    max_tokens: int = Field(default=400, description="Budget for a node's text in tokens.")
    count_tokens: Callable[[str], int] = Field(default=estimate_tokens, exclude=True)

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - pydantic
        super().__init__(**fields)
        split_records((), max_tokens=self.max_tokens)  # a wrong budget is told here

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "DeepSeekOCRNodeParser"

    def _parse_nodes(
        self,
        nodes: Sequence[BaseNode],
        show_progress: bool = False,
        **kwargs: Any,  # noqa: ANN401 - as in the base class
    ) -> list[BaseNode]:
        by_id = {node.node_id: node for node in nodes}
        records = (
            Record(node.node_id, node.get_content(MetadataMode.NONE), node.metadata)
            for node in nodes
        )
        chunks = split_records(records, max_tokens=self.max_tokens, count_tokens=self.count_tokens)
        numbers: Counter[str] = Counter()
        parsed: list[BaseNode] = []
        for chunk in chunks:
            source = by_id[chunk.parent or ""]
            # LlamaIndex 0.14.0 leaves None there.
            given = None if self.id_func is default_id_func else self.id_func
            parsed.append(
                TextNode(
                    id_=given(numbers[source.node_id], source) if given else chunk.id,
                    text=chunk.text,
                    metadata=chunk.metadata if self.include_metadata else {},
                    excluded_embed_metadata_keys=_hidden(
                        chunk, source.excluded_embed_metadata_keys
                    ),
                    excluded_llm_metadata_keys=_hidden(chunk, source.excluded_llm_metadata_keys),
                    relationships={NodeRelationship.SOURCE: source.as_related_node_info()},
                )
            )
            numbers[source.node_id] += 1
        return parsed

    def _postprocess_parsed_nodes(
        self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]
    ) -> list[BaseNode]:
        finished = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node in finished:
            if isinstance(node, TextNode):
                # Where a node happens to be one piece of its page the base class
                # finds it there; but its boxes count from its own text.
                node.start_char_idx = node.end_char_idx = None
        return finished


def _hidden(chunk: Record, keys: Sequence[str]) -> list[str]:
    """The keys that are hidden of the source, and ours, which the source does not have."""
    return [*keys, *({"spans"} & chunk.metadata.keys() - set(keys))]


def boxes_for(
    node: BaseNode, start: int | None = None, end: int | None = None
) -> list[dict[str, Any]]:
    """Where a document's or node's text, or a part of it, stands on its page.

    Args:
        node: A document of this package, or a node that a parser made of one:
            :class:`DeepSeekOCRNodeParser`, or another that sets
            ``start_char_idx``, as LlamaIndex's splitters do.
        start: First character, as an offset into the text that the ``boxes`` of
            the metadata count from. Without it, where the node begins there.
        end: The character behind the last one. Without it, the end of the text.

    Returns:
        Entries of the metadata's ``boxes``: ``{kind, bbox, start, end}``, with
        ``bbox`` as ``[x0, y0, x1, y1]`` in fractions of the page, origin top
        left. A block that only in part lies in the text is among them, with its
        whole box.
    """
    offset = (node.start_char_idx if isinstance(node, TextNode) else None) or 0
    first = offset if start is None else start
    last = offset + len(node.get_content(MetadataMode.NONE)) if end is None else end
    return boxes_between(node.metadata, first, last)
