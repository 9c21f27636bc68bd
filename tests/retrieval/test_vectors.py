"""Search by meaning in memory, with a real model; and models that give what nobody can use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepseek_ocr_rag.errors import EmbeddingModelError, EmbeddingModelReplyError
from deepseek_ocr_rag.retrieval.embeddings import BATCH, EmbeddingModel
from deepseek_ocr_rag.retrieval.vectors import VectorIndex

TEXTS = [
    "The keeper lights the lamp every evening.",
    "Quarterly revenue rose by twelve percent.",
    "Wash the filter with cold water.",
]


def test_the_text_that_means_the_same_is_the_nearest(minilm: EmbeddingModel) -> None:
    index = VectorIndex(minilm, TEXTS)
    for question, nearest in [
        ("Who switches on the light at night?", 0),
        ("How did sales develop?", 1),
        ("How do I clean the machine?", 2),
    ]:
        similarities = index.similarities(question)
        assert similarities.argmax() == nearest
        assert (np.abs(similarities) <= 1.0001).all()


class Scripted:
    """Gives what it is told to."""

    def __init__(self, documents: Callable[[list[str]], Any], query: Any = (1.0, 0.0)) -> None:
        self._documents = documents
        self._query = query
        self.batches: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.batches.append(len(texts))
        vectors: list[list[float]] = self._documents(texts)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self._query
        return vector


def test_texts_are_embedded_in_batches() -> None:
    model = Scripted(lambda texts: [[1.0, 0.0]] * len(texts))
    VectorIndex(model, ["x"] * (BATCH + 1))
    assert model.batches == [BATCH, 1]


def test_the_length_of_a_vector_does_not_count() -> None:
    model = Scripted(lambda texts: [[100.0, 100.0], [0.1, 0.0]])
    assert VectorIndex(model, ["a", "b"]).similarities("q") == pytest.approx(
        [0.7071, 1.0], abs=1e-4
    )


def test_a_vector_of_zeros_is_like_nothing() -> None:
    model = Scripted(lambda texts: [[0.0, 0.0]])
    assert VectorIndex(model, [""]).similarities("q") == pytest.approx([0.0])


def test_no_texts_ask_nothing() -> None:
    model = Scripted(lambda texts: [])
    assert len(VectorIndex(model, []).similarities("q")) == 0
    assert model.batches == []


@pytest.mark.parametrize(
    "given",
    [
        [],
        [[1.0, 0.0]] * 3,
        [[1.0], [1.0, 0.0]],
        [[], []],
        [1.0, 2.0],
        [[float("nan"), 1.0]] * 2,
        [["a", "b"]] * 2,
        None,
    ],
)
def test_vectors_that_cannot_be_used_are_an_error(given: Any) -> None:
    with pytest.raises(EmbeddingModelReplyError, match="embedding model gave"):
        VectorIndex(Scripted(lambda texts: given), ["a", "b"])


def test_batches_that_do_not_fit_together_are_an_error() -> None:
    model = Scripted(lambda texts: [[1.0] * len(texts)] * len(texts))
    with pytest.raises(EmbeddingModelReplyError, match="different lengths"):
        VectorIndex(model, ["x"] * (BATCH + 1))


def test_a_question_that_does_not_fit_the_texts_is_an_error() -> None:
    model = Scripted(lambda texts: [[1.0, 0.0, 0.0]], query=[1.0, 0.0])
    with pytest.raises(EmbeddingModelReplyError, match="not as long"):
        VectorIndex(model, ["a"]).similarities("q")


def test_what_a_model_raises_becomes_one_of_our_errors() -> None:
    def fail(texts: list[str]) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(EmbeddingModelError, match="out of memory") as error:
        VectorIndex(Scripted(fail), ["a"])
    assert isinstance(error.value.__cause__, RuntimeError)
