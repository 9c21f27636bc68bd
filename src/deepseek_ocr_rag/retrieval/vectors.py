"""Searches by meaning, with an in-memory index of embedding vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import DeepSeekOCRError, EmbeddingModelError, EmbeddingModelReplyError
from .embeddings import BATCH, EmbeddingModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .bm25 import Scores

__all__ = ["VectorIndex"]


class VectorIndex:
    """Embeds texts in batches and compares them with a question by cosine similarity."""

    def __init__(self, model: EmbeddingModel, texts: Sequence[str]) -> None:
        import numpy as np

        self._model = model
        parts = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        batches = [_unit_vectors(partial(model.embed_documents, part), len(part)) for part in parts]
        if len({batch.shape[1] for batch in batches}) > 1:
            raise _unusable("vectors of different lengths")
        self._matrix = np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)

    def similarities(self, question: str) -> Scores:
        """The cosine of each text's vector with the question's, -1..1."""
        import numpy as np

        if not len(self._matrix):
            return np.zeros(0)
        vector = _unit_vectors(lambda: [self._model.embed_query(question)], 1)
        if vector.shape[1] != self._matrix.shape[1]:
            raise _unusable("a question's vector that is not as long as the texts'")
        cosines: Scores = (self._matrix @ vector[0]).astype(np.float64)
        return cosines


def _unit_vectors(
    embed: Callable[[], Sequence[Sequence[float]]], count: int
) -> npt.NDArray[np.float32]:
    """The model's vectors, one row per text, each of length 1 (or 0)."""
    import numpy as np

    try:
        given = embed()
    except DeepSeekOCRError:
        raise
    except Exception as error:
        raise EmbeddingModelError(
            f"the embedding model failed: {error}", remedy="Fix it, or search without embeddings."
        ) from error
    try:
        vectors = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _unusable("something other than rows of numbers") from error
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
        raise _unusable(f"an array of shape {vectors.shape} for {count} texts")
    if not np.isfinite(vectors).all():
        raise _unusable("numbers that are not finite")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _unusable(what: str) -> EmbeddingModelReplyError:
    return EmbeddingModelReplyError(
        f"the embedding model gave {what}", remedy="Use another embedding model."
    )
