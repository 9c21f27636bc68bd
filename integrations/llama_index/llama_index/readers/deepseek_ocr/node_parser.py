"""The node parser."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.node_parser.interface import NodeParser
from llama_index.core.node_parser.node_utils import default_id_func
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    TextNode,
)

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record, boxes_between, find_boxes, split_records
from deepseek_ocr_rag.setting_names import refuse_unknown
from deepseek_ocr_rag.text import estimate_tokens

from .token_counter import counter_fingerprint

__all__ = ["DeepSeekOCRNodeParser", "boxes_for"]

logger = logging.getLogger(__name__)


class DeepSeekOCRNodeParser(NodeParser):
    """Parses documents of this package into nodes by their layout; keeps pages and boxes.

    Blocks under the same heading are joined up to ``max_tokens``. Headings stay with
    what follows them, captions with their figure or table, and every part of a
    long table repeats its head. Paragraphs that continue in the next column or page
    are joined; page furniture is dropped.

    The pages of one file must follow each other, as the reader returns them. A node
    has the metadata of the page on which it begins, which is its source node. The
    offsets in its ``boxes`` refer to the node's own text, see :func:`boxes_for`, and
    each entry has its 0-based ``page``. ``spans`` (a list of ``{page, start, end, offset}``)
    says which part of which page is where in the node. A node has no
    ``start_char_idx``, because it can be made of several parts of pages. Documents
    of other readers are parsed by their Markdown and have no boxes.

    Ids are derived from the id of the page, so that parsing again gives the same
    ids, unless an ``id_func`` is given.

    Attributes:
        max_tokens: Most tokens of a node, at least 16. Captions and the head of a
            table may exceed it.
        count_tokens: Counts the tokens of a text: your embedding model's tokenizer,
            or ``len`` to count characters. By default an estimate. It is pickled;
            ``to_dict`` and ``to_json`` only have a fingerprint of it, by which an
            ingestion pipeline's cache notices another function.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.

    Example:
        >>> parser = DeepSeekOCRNodeParser(max_tokens=256)
        >>> nodes = parser.get_nodes_from_documents(reader.load_data(path))  # doctest: +SKIP
        >>> nodes[0].metadata["section"]  # doctest: +SKIP
        'Methods > Sampling'
    """

    max_tokens: int = Field(default=400, description="Most tokens of a node.")
    count_tokens: Callable[[str], int] = Field(default=estimate_tokens, exclude=True)

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - pydantic
        refuse_unknown(type(self).__name__, fields, type(self).model_fields)
        super().__init__(**fields)
        split_records((), max_tokens=self.max_tokens)  # report an invalid max_tokens now

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "DeepSeekOCRNodeParser"

    def __getstate__(self) -> dict[str, Any]:
        # Not the base class's, which leaves out what cannot be pickled: count_tokens would silently
        # become the default.
        return BaseModel.__getstate__(self)

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - as in the base class
        """Return the settings; pipelines cache by them, so ``count_tokens`` is a fingerprint."""
        return {
            **super().to_dict(**kwargs),
            "count_tokens": counter_fingerprint(self.count_tokens),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> DeepSeekOCRNodeParser:  # noqa: ANN401
        """Make a parser from :meth:`to_dict`; pass a ``count_tokens`` of your own again.

        Raises:
            ConfigurationError: If it is missing, or is another function.
        """
        values = dict(data)
        stored = values.pop("count_tokens", None)
        counter = kwargs.get("count_tokens", estimate_tokens)
        if stored is not None and stored != counter_fingerprint(counter):
            raise ConfigurationError(
                "the parser was stored with another count_tokens",
                remedy="Pass the function: DeepSeekOCRNodeParser.from_dict(data, count_tokens=...).",
            )
        if values.get("id_func") == {"id_func_name": "default_id_func", "title": "id_func"}:
            del values["id_func"]  # LlamaIndex writes it, but does not read it
        return super().from_dict(values, **kwargs)

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
            # LlamaIndex 0.14.0 has None here by default.
            id_func = None if self.id_func is default_id_func else self.id_func
            parsed.append(
                TextNode(
                    id_=id_func(numbers[source.node_id], source) if id_func else chunk.id,
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
        own = [dict(node.metadata) for node in nodes]
        finished = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, metadata in zip(finished, own, strict=True):
            # The base class adds what only the page has. Its ``boxes_text`` would make the offsets in
            # ``boxes`` those of the page, and its ``confidence`` is not the node's.
            node.metadata = metadata
            if isinstance(node, TextNode):
                # The base class sets these if a node is a contiguous part of its page,
                # but the offsets in ``boxes`` refer to the node's own text.
                node.start_char_idx = node.end_char_idx = None
        return finished


def _hidden(chunk: Record, keys: Sequence[str]) -> list[str]:
    """Return the hidden keys of the source, and those for programs that only chunks have."""
    return [*keys, *sorted({"spans", "boxes_text"} & chunk.metadata.keys() - set(keys))]


def boxes_for(
    node: BaseNode, start: int | None = None, end: int | None = None
) -> list[dict[str, Any]]:
    """Return the boxes of a document's or node's text, or of a part of it, on its page.

    A node's boxes are found by its text, so it may come from any parser; its
    ``start_char_idx`` is not trusted, because some parsers count it in another node. Where
    the parser changed more than spaces, case and punctuation, or where the text occurs
    in several places with different boxes, the list is empty, and the log says why.

    Args:
        node: A document of this package, or a node of one, from any parser or store.
        start: First character, as an offset into the text that the offsets in
            ``boxes`` refer to. By default the start of the node in that text.
        end: The character after the last one; by default the end of the node.

    Returns:
        Entries of the metadata's ``boxes``: ``{kind, bbox, start, end}``, with
        ``bbox`` as ``[x0, y0, x1, y1]`` in fractions of the page, origin top
        left. A block that is only partly in the text is included with its whole
        box.
    """
    if start is not None and end is not None:
        return boxes_between(node.metadata, start, end)
    text = node.get_content(MetadataMode.NONE)
    noted = node.start_char_idx if isinstance(node, TextNode) else None
    found = find_boxes(node.metadata, text, noted=noted)
    if found.reason is not None:
        source, page = node.metadata.get("source", "a node"), node.metadata.get("page_label", "?")
        logger.warning(
            "No boxes for the text %r of %s, page %s: %s", text[:40], source, page, found.reason
        )
    if start is None and end is None:
        return list(found.entries)
    first, last = (found.start if start is None else start), (found.end if end is None else end)
    return [] if first is None or last is None else boxes_between(node.metadata, first, last)
