"""A node post-processor that checks an answer against the nodes that it was written from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.bridge.pydantic import Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.answering import Verification
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record
from deepseek_ocr_rag.setting_names import refuse_unknown

__all__ = ["AnswerVerifier"]

logger = logging.getLogger(__name__)


class AnswerVerifier(BaseNodePostprocessor):
    """Checks somebody else's answer, sentence by sentence, against its retrieved nodes.

    It asks no model: words, numbers, dates and names are compared, as ``verify`` of the
    core does. ``[2]`` in the answer cites the second node, and only that may support the
    sentence. Nodes of this package, from any parser, give citations with boxes.

    :meth:`verify` gives the whole result for a response of a query engine. As a node
    post-processor it returns the nodes that support ``answer``, each with
    ``metadata["verified"]``: the sentences that it supports, as a list of
    ``{sentence, source, page, boxes, quote}`` with a 1-based page.

    Attributes:
        answer: What the post-processor checks.
        max_seconds: Longest time for one answer; None for any. The sentences that are left then are
            ``"unchecked"``: no node is returned for them, and the log says so.

    Example:
        >>> response = index.as_query_engine().query("What does the lamp burn?")  # doctest: +SKIP
        >>> checked = AnswerVerifier().verify(response)  # doctest: +SKIP
        >>> [(sentence.text, sentence.status) for sentence in checked.sentences]  # doctest: +SKIP
        [('The lamp burns oil.', 'supported'), ('It is red.', 'unsupported')]
    """

    answer: str = Field(default="", description="The answer to check.")
    max_seconds: float | None = Field(
        default=60.0, description="Longest time for one answer, in seconds."
    )

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - pydantic
        refuse_unknown(type(self).__name__, fields, type(self).model_fields)
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "DeepSeekOCRAnswerVerifier"

    def verify(
        self,
        answer: RESPONSE_TYPE | str,
        nodes: Sequence[NodeWithScore | BaseNode] | None = None,
        *,
        question: str = "",
    ) -> Verification:
        """Check an answer.

        Args:
            answer: A response of a query engine, or the text of an answer.
            nodes: What it was written from; by default the response's source nodes.
            question: What was asked, for answers such as "Yes."

        Raises:
            ConfigurationError: If a text comes without nodes, or ``max_seconds`` is not above 0.
        """
        if nodes is None:
            nodes = getattr(answer, "source_nodes", None)
        if nodes is None:
            raise ConfigurationError(
                "there are no nodes to check the answer against",
                remedy="Pass a response of a query engine, or verify(answer, nodes).",
            )
        return verify(
            str(answer),
            [_record(node) for node in nodes],
            question=question,
            max_seconds=self.max_seconds,
        )

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not self.answer:
            raise ConfigurationError(
                "AnswerVerifier has no answer to check",
                remedy="Pass it: AnswerVerifier(answer=...), or call verify(response).",
            )
        question = query_bundle.query_str if query_bundle else ""
        checked = self.verify(self.answer, nodes, question=question)
        if checked.unchecked:
            logger.warning(
                "%d of %d sentences were not checked: %s",
                len(checked.unchecked),
                len(checked.sentences),
                checked.unchecked[0].problem,
            )
        supported: dict[int, list[dict[str, Any]]] = {}
        for sentence in checked.sentences:
            for citation in (checked.citations[index] for index in sentence.citations):
                entry = {"sentence": sentence.text, **citation.to_dict()}
                supported.setdefault(citation.passage, []).append(entry)
        return [_marked(nodes[index], supported[index]) for index in sorted(supported)]


def _record(node: NodeWithScore | BaseNode) -> Record:
    plain = node.node if isinstance(node, NodeWithScore) else node
    return Record(plain.node_id, plain.get_content(MetadataMode.NONE), plain.metadata)


def _marked(node: NodeWithScore, entries: list[dict[str, Any]]) -> NodeWithScore:
    """Return a copy of the node with what it supports, which no model sees."""
    copy = node.node.model_copy(deep=True)
    copy.metadata["verified"] = entries
    copy.excluded_embed_metadata_keys.append("verified")
    copy.excluded_llm_metadata_keys.append("verified")
    return NodeWithScore(node=copy, score=node.score)
