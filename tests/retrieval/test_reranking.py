"""A reranker of either framework, or of one's own, orders the best passages anew."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from deepseek_ocr_rag import Retriever
from deepseek_ocr_rag.errors import ConfigurationError, RerankerError
from deepseek_ocr_rag.retrieval.chunking import Chunk, ChunkPiece
from deepseek_ocr_rag.retrieval.reranking import as_reranker, reranked


def chunk(text: str, page: int) -> Chunk:
    return Chunk(text, "a.pdf", (ChunkPiece(page, "text", (0, len(text)), 0),))


LAMPS = [chunk("The lamp, the lamp, the lamp.", 1), chunk("Mrs Oyelaran keeps the lamp.", 2)]


class Longest:
    """Puts longer texts first; a model's own scores are as arbitrary."""

    def rerank(self, question: str, texts: list[str]) -> list[float]:
        return [float(len(text)) for text in texts]


class Compressor(BaseDocumentCompressor):
    """Keeps the texts with a name, as LangChain's filters do."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        return [d for d in documents if "Oyelaran" in d.page_content]


class Postprocessor(BaseNodePostprocessor):
    """Turns the order round."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        return nodes[::-1]


class Pairs:
    """Scores pairs, as LangChain's cross encoders do."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        return [float("Oyelaran" in text) for _, text in text_pairs]


class Scores:
    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def rerank(self, question: str, texts: list[str]) -> Sequence[float]:
        return self.scores


class Broken:
    def rerank(self, question: str, texts: list[str]) -> list[float]:
        raise OSError("no such model")


@pytest.mark.parametrize("model", [Scores(1.0, 2.0), Compressor(), Postprocessor(), Pairs()])
def test_the_best_of_the_reranker_comes_first(model: object) -> None:
    assert Retriever(LAMPS).search("lamp", k=1)[0].page == 1
    assert Retriever(LAMPS, reranker=model).search("lamp", k=1)[0].page == 2


def test_it_reads_more_than_are_asked_for_and_its_score_is_the_passage_s() -> None:
    (found,) = Retriever(LAMPS, reranker=Longest()).search("lamp", k=1)
    assert found.score == max(len(lamp.text) for lamp in LAMPS)


def test_what_it_leaves_out_comes_last_and_is_not_lost() -> None:
    pages = [p.page for p in Retriever(LAMPS, reranker=Compressor()).search("lamp", k=2)]
    assert pages == [2, 1]


def test_without_a_word_in_common_it_is_not_asked() -> None:
    assert Retriever(LAMPS, reranker=Broken()).search("zeppelin") == ()


@pytest.mark.parametrize("model", [Broken(), Scores(1.0), Scores(1.0, float("nan"))])
def test_a_reranker_that_fails_says_so(model: object) -> None:
    with pytest.raises(RerankerError, match="reranker"):
        reranked(as_reranker(model), "lamp", ["a", "b"])


@pytest.mark.parametrize("model", ["cross-encoder", object(), 3])
def test_what_is_no_reranker_is_refused(model: object) -> None:
    with pytest.raises(ConfigurationError, match="is not a reranker"):
        Retriever(LAMPS, reranker=model)
