"""Searches chunks by words, and also by meaning if an embedding model is given.

The scores of :mod:`.lexical` are summed. With embeddings, the cosine similarity is added to
this sum, as a share of the best sum. A small model then decides between chunks with nearly equal
words, and finds chunks that share no word, but does not overrule words. Rank fusion did overrule
them, because ranks ignore the size of a lead. A reranker, if given, reorders the best chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..document.page_records import Record
from ..document.types import Box, OcrDocument
from ..errors import ConfigurationError
from ..setting_names import with_known_settings
from .chunk_records import record_chunk
from .chunking import Chunk, ChunkPiece, chunk_document
from .embeddings import EmbeddingModel, embedding_model
from .lexical import LexicalIndex
from .page_index import PageKey
from .query import parse_query
from .reranking import Reranker, as_reranker, reranked
from .vectors import VectorIndex

__all__ = ["Passage", "Retriever"]

RERANKED: Final = 20
"""How many of the best chunks a reranker reads, unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk found for a question.

    Attributes:
        text: Its Markdown.
        source: The document.
        page: The page of the chunk that fits the question best, 1-based.
        boxes: Where it is on that page.
        score: How well it fits, higher is better; comparable only within one search.
        section: The headings above it, outermost first.
        span: ``(start, end)`` in the page's Markdown, from first to last character.
        pieces: The slices of pages that it consists of.
    """

    text: str
    source: str
    page: int
    boxes: tuple[Box, ...]
    score: float
    section: tuple[str, ...]
    span: tuple[int, int]
    pieces: tuple[ChunkPiece, ...]

    @classmethod
    def of(cls, chunk: Chunk) -> Passage:
        """A chunk as a passage of the page with most of its text, with a score of 0."""
        return cls(
            chunk.text,
            chunk.source,
            chunk.page,
            chunk.boxes,
            0.0,
            chunk.section,
            chunk.span,
            chunk.pieces,
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: source, page, boxes, text, score."""
        return {
            "source": self.source,
            "page": self.page,
            "boxes": [[round(v, 6) for v in box.as_tuple()] for box in self.boxes],
            "text": self.text,
            "score": round(self.score, 6),
        }


@with_known_settings()
class Retriever:
    """Finds the chunks that fit a question, in memory and deterministically.

    Args:
        chunks: What can be found, each document's chunks in reading order.
        embeddings: None to search by words only, else ``"ollama/<model>"``, an
            embedding model of LangChain or LlamaIndex, or your own object
            (:class:`EmbeddingModel`). All chunks are embedded now.
        embedding_weight: Weight of the similarity of vectors, relative to 1 for the
            best match of words. The default suits small models.
        reranker: Reorders the best 20 passages: a document compressor or cross encoder
            of LangChain, a node postprocessor of LlamaIndex, or your own object
            (:class:`Reranker`). None for none.
        labels: Numbers printed on pages, by source and 1-based page number, where
            known, so that "page iv" is found.

    Raises:
        ConfigurationError: If ``embeddings`` is not an embedding model, ``reranker`` not a
            reranker, or ``embedding_weight`` is not above 0.
        RemoteModelRefusedError: If Ollama would run the model on another machine.
        EmbeddingModelError: If the embedding model fails.

    Example:
        >>> retriever = Retriever.from_documents([document])  # doctest: +SKIP
        >>> retriever.search("Who keeps the lamp?", k=3)[0].page  # doctest: +SKIP
        2
    """

    def __init__(
        self,
        chunks: Iterable[Chunk],
        *,
        embeddings: EmbeddingModel | object | None = None,
        embedding_weight: float = 0.1,
        reranker: Reranker | object | None = None,
        labels: Mapping[PageKey, str] | None = None,
    ) -> None:
        if not 0 < embedding_weight < math.inf:
            raise ConfigurationError(
                f"embedding_weight cannot be {embedding_weight}", remedy="Set it above 0."
            )
        self.chunks = tuple(chunks)
        self._lexical = LexicalIndex(self.chunks, labels)
        self._embedding_weight = embedding_weight
        self._reranker = None if reranker is None else as_reranker(reranker)
        self._vectors = None
        if embeddings is not None:
            texts = [" > ".join(c.section) + "\n" * bool(c.section) + c.text for c in self.chunks]
            self._vectors = VectorIndex(embedding_model(embeddings), texts)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[OcrDocument],
        *,
        max_tokens: int = 400,
        embeddings: EmbeddingModel | object | None = None,
        embedding_weight: float = 0.1,
        reranker: Reranker | object | None = None,
    ) -> Retriever:
        """Cut documents into chunks and index them.

        Args:
            documents: What was read.
            max_tokens: Budget for a chunk, see :func:`chunk_document`.
            embeddings: See the class.
            embedding_weight: See the class.
            reranker: See the class.
        """
        documents = tuple(documents)
        return cls(
            (c for d in documents for c in chunk_document(d, max_tokens=max_tokens)),
            embeddings=embeddings,
            embedding_weight=embedding_weight,
            reranker=reranker,
            labels={(d.source, p.number): p.label for d in documents for p in d if p.label},
        )

    @classmethod
    def from_records(
        cls,
        records: Iterable[Record],
        *,
        embeddings: EmbeddingModel | object | None = None,
        embedding_weight: float = 0.1,
        reranker: Reranker | object | None = None,
    ) -> Retriever:
        """Index records, each as one chunk: the documents or nodes of a framework.

        Args:
            records: From :func:`split_records`, of pages, or from elsewhere.
            embeddings: See the class.
            embedding_weight: See the class.
            reranker: See the class.

        Returns:
            A retriever whose ``chunks`` are in the order of the records, so that the
            indices from :meth:`rank` are also those of the records.
        """
        records = tuple(records)
        chunks = [record_chunk(record) for record in records]
        return cls(
            chunks,
            embeddings=embeddings,
            embedding_weight=embedding_weight,
            reranker=reranker,
            labels={
                (chunk.source, chunk.page): label
                for chunk, record in zip(chunks, records, strict=True)
                if isinstance(label := record.metadata.get("page_label"), str)
                and len(chunk.pages) == 1
            },
        )

    def search(self, query: str, k: int = 5, *, neighbours: int = 0) -> tuple[Passage, ...]:
        """Find the best passages for a question.

        Args:
            query: A question or a few words. Chunks on a page that it names, or with a
                figure or table that it names ("page 14", "Table 2"), rank higher.
            k: Most passages to return, 1 or more.
            neighbours: How many chunks before and after each passage to return with
                it, in reading order and none twice. Their score is 0.

        Returns:
            The passages, best first. Without embeddings, only those that share a term
            with the query or are named in it; there may be none. With embeddings,
            every chunk is similar to some degree, so ``k`` passages come back if
            there are that many chunks.

        Raises:
            ConfigurationError: If ``k`` is below 1 or ``neighbours`` below 0.
            EmbeddingModelError: If the embedding model fails.
            RerankerError: If the reranker fails.
        """
        parsed = parse_query(query)
        return tuple(
            Passage(c.text, c.source, n, c.boxes_on(n), score, c.section, c.span_on(n), c.pieces)
            for index, score in self.rank(query, k, neighbours=neighbours)
            for c, n in [(self.chunks[index], self._lexical.page_of(index, parsed))]
        )

    def rank(self, query: str, k: int = 5, *, neighbours: int = 0) -> tuple[tuple[int, float], ...]:
        """Search as :meth:`search` does, but return indices into ``chunks`` with their scores."""
        if k < 1 or neighbours < 0:
            raise ConfigurationError(
                f"cannot give {k} passages with {neighbours} neighbours",
                remedy="Ask for at least 1, and for 0 or more neighbours.",
            )
        import numpy as np

        lexical = self._lexical.scores(parse_query(query))
        scores = lexical.total
        if self._vectors is None:
            indices = np.flatnonzero(lexical.found)
        else:
            most = scores.max(initial=0.0)
            similar = self._embedding_weight * self._vectors.similarities(query)
            scores, indices = (scores / most if most else scores) + similar, np.arange(len(scores))
        count = k if self._reranker is None else max(k, RERANKED)
        best = indices[np.argsort(-scores[indices], kind="stable")[:count]].tolist()
        hits = {index: float(scores[index]) for index in best}
        if self._reranker is not None and best:
            texts = [self.chunks[index].text for index in best]
            hits = dict(zip(best, reranked(self._reranker, query, texts), strict=True))
            best = sorted(best, key=lambda index: -hits[index])[:k]
        ranked: dict[int, float] = {}
        for index in best:
            for near in self._around(index, neighbours):
                ranked.setdefault(near, hits.get(near, 0.0))
        return tuple(ranked.items())

    def fit(self, query: str) -> float | None:
        """How well the best page fits a question by its words, comparable between questions.

        Returns:
            The BM25 score as a share of the highest that a page could reach, 0..1; None for
            fewer than ten pages, because they do not show which words are rare.
        """
        return self._lexical.fit(parse_query(query))

    def names(self, query: str) -> bool:
        """Whether a question names a page, figure or table that the documents have."""
        return bool(self._lexical.scores(parse_query(query)).references.any())

    def _around(self, index: int, count: int) -> Iterator[int]:
        source = self.chunks[index].source
        for near in range(max(0, index - count), min(len(self.chunks), index + count + 1)):
            if self.chunks[near].source == source:
                yield near
