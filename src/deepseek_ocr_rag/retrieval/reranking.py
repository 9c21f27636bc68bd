"""Uses rerankers: objects of LangChain, of LlamaIndex or of your own.

Search compares words; a reranker reads the question together with each of the best passages, and
reorders them. None comes with this package, so that nothing is ever downloaded.
Whoever passes an object decides where it sends the texts.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from ..errors import ConfigurationError, DeepSeekOCRError, RerankerError

__all__ = ["Reranker", "as_reranker", "reranked"]


@runtime_checkable
class Reranker(Protocol):
    """Says how well texts answer a question."""

    def rerank(self, question: str, texts: list[str]) -> Sequence[float]:
        """Score the texts: one finite number per text, in their order, higher is better."""
        ...


class _CrossEncoder:
    """LangChain's cross encoders, which score pairs of texts."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - no import of the framework here
        self._model = model

    def rerank(self, question: str, texts: list[str]) -> list[float]:
        return [float(score) for score in self._model.score([(question, t) for t in texts])]


class _Compressor:
    """LangChain's document compressors; texts that one leaves out come last."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model

    def rerank(self, question: str, texts: list[str]) -> list[float]:
        documents = importlib.import_module("langchain_core.documents")
        given = [
            documents.Document(page_content=text, metadata={_INDEX: index})
            for index, text in enumerate(texts)
        ]
        kept = self._model.compress_documents(given, question)
        return _by_index([document.metadata.get(_INDEX) for document in kept], len(texts))


class _Postprocessor:
    """LlamaIndex's node postprocessors; texts that one leaves out come last."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model

    def rerank(self, question: str, texts: list[str]) -> list[float]:
        schema = importlib.import_module("llama_index.core.schema")
        given = [
            schema.NodeWithScore(node=schema.TextNode(text=text, id_=str(index)), score=0.0)
            for index, text in enumerate(texts)
        ]
        kept = self._model.postprocess_nodes(given, query_str=question)
        return _by_index([int(node.node.node_id) for node in kept], len(texts))


_INDEX = "reranked"
"""The metadata key for a document's index among those given; compressors keep metadata."""


def as_reranker(model: object) -> Reranker:
    """Turn what a user passed into a reranker.

    Args:
        model: A :class:`Reranker`, a document compressor or cross encoder of LangChain, or a
            node postprocessor of LlamaIndex.

    Raises:
        ConfigurationError: If it is none of these.
    """
    if isinstance(model, Reranker):
        return model
    for method, adapter in (
        ("compress_documents", _Compressor),
        ("postprocess_nodes", _Postprocessor),
        ("score", _CrossEncoder),
    ):
        if callable(getattr(model, method, None)):
            return adapter(model)
    raise ConfigurationError(
        f"{model!r} is not a reranker",
        remedy="Pass a document compressor or cross encoder of LangChain, a node postprocessor of"
        " LlamaIndex, or an object with rerank(question, texts).",
    )


def reranked(model: Reranker, question: str, texts: Sequence[str]) -> list[float]:
    """The model's scores, checked.

    Raises:
        RerankerError: If the model fails, or does not give one finite number per text.
    """
    try:
        scores = [float(score) for score in model.rerank(question, list(texts))]
    except DeepSeekOCRError:
        raise
    except Exception as error:
        raise RerankerError(
            f"the reranker failed: {error}", remedy="Fix it, or search without a reranker."
        ) from error
    if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
        raise RerankerError(
            f"the reranker did not give a finite number per text ({len(scores)} for {len(texts)})",
            remedy="Fix it, or search without a reranker.",
        )
    return scores


def _by_index(kept: Sequence[object], count: int) -> list[float]:
    """Scores by rank in a list of indices, best first; 0 for texts that are not in it."""
    scores = [0.0] * count
    for rank, index in enumerate(kept):
        if not isinstance(index, int) or not 0 <= index < count:
            raise ValueError("it returned a text that it was not given")
        scores[index] = max(scores[index], float(count - rank))
    return scores
