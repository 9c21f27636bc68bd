"""Search by meaning: vectors of texts in memory, and what a model may give wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import DeepSeekOCRError, LanguageModelError, LanguageModelReplyError
from .embeddings import BATCH, EmbeddingModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

__all__ = ["VectorIndex"]


class VectorIndex:
    """Vectors of texts in memory, compared with that of a question by their cosine.

    Args:
        model: Makes them.
        texts: What is to be found; embedded now, in batches.

    Raises:
        LanguageModelError: If the model fails, or gives nothing that can be used.
    """

    def __init__(self, model: EmbeddingModel, texts: Sequence[str]) -> None:
        import numpy as np

        self._model = model
        parts = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        batches = [_unit_vectors(partial(model.embed_documents, part), len(part)) for part in parts]
        if len({batch.shape[1] for batch in batches}) > 1:
            raise _unusable("vectors of different lengths")
        self._matrix = np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)

    def similarities(self, question: str) -> npt.NDArray[np.float64]:
        """The cosine of each text's vector with the question's, -1..1.

        Raises:
            LanguageModelError: As of the class.
        """
        import numpy as np

        if not len(self._matrix):
            return np.zeros(0)
        vector = _unit_vectors(lambda: [self._model.embed_query(question)], 1)
        if vector.shape[1] != self._matrix.shape[1]:
            raise _unusable("a question's vector that is not as long as the texts'")
        cosines: npt.NDArray[np.float64] = (self._matrix @ vector[0]).astype(np.float64)
        return cosines


def _unit_vectors(embed: Callable[[], Sequence[Sequence[float]]], count: int) -> Vectors:
    """What a model gives, one row a text, each of length 1 (or 0)."""
    import numpy as np

    try:
        given = embed()
    except DeepSeekOCRError:
        raise
    except Exception as error:
        raise LanguageModelError(
            f"the embedding model failed: {error}", remedy="Search without embeddings, or mend it."
        ) from error
    try:
        vectors = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _unusable("no rows of numbers") from error
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
        raise _unusable(f"an array of shape {vectors.shape} for {count} texts")
    if not np.isfinite(vectors).all():
        raise _unusable("numbers that are not finite")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _unusable(what: str) -> LanguageModelReplyError:
    return LanguageModelReplyError(
        f"the embedding model gave {what}", remedy="Take another embedding model."
    )
