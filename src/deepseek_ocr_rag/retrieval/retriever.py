"""Search over chunks: by words always, by meaning where an embedding model is given.

Without embeddings the scores of :mod:`.lexical` are added. Scores of different kinds
cannot be: with embeddings the chunks are ranked by each kind of evidence and by the
vectors, and the ranks fused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..document.records import Record
from ..document.types import Box, OcrDocument
from ..errors import ConfigurationError
from .chunk_records import record_chunk
from .chunking import Chunk, ChunkPiece, chunk_document
from .embeddings import EmbeddingModel, embedding_model
from .lexical import LexicalIndex
from .page_index import PageKey
from .query import parse_query
from .rank_fusion import reciprocal_rank_fusion
from .vectors import VectorIndex

__all__ = ["Passage", "Retriever"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found.

    Attributes:
        text: Its Markdown.
        source: The document.
        page: Of the pages on which it stands the one that fits best, 1-based.
        boxes: Where it stands on that page.
        score: How well it fits, higher is better; comparable within one
            search only.
        section: The headings above it, outermost first.
        span: ``(start, end)`` in the page's Markdown, from first to last character.
        pieces: The slices of pages that it is made of.
    """

    text: str
    source: str
    page: int
    boxes: tuple[Box, ...]
    score: float
    section: tuple[str, ...]
    span: tuple[int, int]
    pieces: tuple[ChunkPiece, ...]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: source, page, boxes, text, score."""
        return {
            "source": self.source,
            "page": self.page,
            "boxes": [[round(v, 6) for v in box.as_tuple()] for box in self.boxes],
            "text": self.text,
            "score": round(self.score, 6),
        }


class Retriever:
    """Finds the chunks that fit a question. In memory; the same question gives the same order.

    Args:
        chunks: All that can be found, each document's in reading order.
        embeddings: None to search by words only; else ``"ollama/<model>"``, an
            embedding model of LangChain or LlamaIndex, or an object of your own
            (:class:`EmbeddingModel`). All chunks are embedded now.
        embedding_weight: Of the ranking by vectors, beside 1 for those by the words
            of chunk and page. The default suits small models.
        labels: Numbers printed on pages, by source and 1-based page number, where
            they are known: "page iv" is then found.

    Raises:
        ConfigurationError: If there is no such embedding model.
        LanguageModelError: If the embedding model fails.

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
        embedding_weight: float = 0.5,
        labels: Mapping[PageKey, str] | None = None,
    ) -> None:
        if not 0 < embedding_weight < math.inf:
            raise ConfigurationError(
                f"embedding_weight cannot be {embedding_weight}", remedy="Set it above 0."
            )
        self.chunks = tuple(chunks)
        self._lexical = LexicalIndex(self.chunks, labels)
        self._embedding_weight = embedding_weight
        self._vectors = None
        if embeddings is not None:
            texts = [_with_section(chunk) for chunk in self.chunks]
            self._vectors = VectorIndex(embedding_model(embeddings), texts)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[OcrDocument],
        *,
        max_tokens: int = 400,
        embeddings: EmbeddingModel | object | None = None,
        embedding_weight: float = 0.5,
    ) -> Retriever:
        """Cut documents into chunks and index them.

        Args:
            documents: What was read.
            max_tokens: Budget for a chunk, see :func:`chunk_document`.
            embeddings: As of the class.
            embedding_weight: As of the class.
        """
        documents = tuple(documents)
        return cls(
            (c for d in documents for c in chunk_document(d, max_tokens=max_tokens)),
            embeddings=embeddings,
            embedding_weight=embedding_weight,
            labels={(d.source, p.number): p.label for d in documents for p in d if p.label},
        )

    @classmethod
    def from_records(
        cls,
        records: Iterable[Record],
        *,
        embeddings: EmbeddingModel | object | None = None,
        embedding_weight: float = 0.5,
    ) -> Retriever:
        """Index records as they are, each as one chunk: documents and nodes of a framework.

        Args:
            records: Of :func:`split_records`, of pages, or of others.
            embeddings: As of the class.
            embedding_weight: As of the class.

        Returns:
            A retriever whose ``chunks`` are in the order of the records, so that
            :meth:`rank` tells which record was found.
        """
        records = tuple(records)
        chunks = [record_chunk(record) for record in records]
        return cls(
            chunks,
            embeddings=embeddings,
            embedding_weight=embedding_weight,
            labels={
                (chunk.source, chunk.page): label
                for chunk, record in zip(chunks, records, strict=True)
                if isinstance(label := record.metadata.get("page_label"), str)
                and len(chunk.pages) == 1
            },
        )

    def search(self, query: str, k: int = 5, *, neighbours: int = 0) -> tuple[Passage, ...]:
        """The best passages for a question.

        Args:
            query: A question or a few words. A page, figure or table that it
                names ("page 14", "Table 2") is preferred.
            k: At most this many, 1 or more.
            neighbours: How many chunks before and after each of them are given
                with it, in reading order and none twice. Their score is 0.

        Returns:
            The passages, best first. Without embeddings only such as share a term
            with the query or are named in it: none, where it has no word that the
            documents have. With embeddings everything is more or less like the
            query, so there are always ``k``, where there are as many chunks.

        Raises:
            ConfigurationError: If ``k`` is below 1 or ``neighbours`` below 0.
            LanguageModelError: If the embedding model fails.
        """
        parsed = parse_query(query)
        return tuple(
            _passage(self.chunks[place], self._lexical.page_of(place, parsed), score)
            for place, score in self.rank(query, k, neighbours=neighbours)
        )

    def rank(self, query: str, k: int = 5, *, neighbours: int = 0) -> tuple[tuple[int, float], ...]:
        """The best chunks for a question, as :meth:`search` finds them.

        Args:
            query: As of :meth:`search`.
            k: As of :meth:`search`.
            neighbours: As of :meth:`search`.

        Returns:
            Places in ``chunks`` with scores, best first.

        Raises:
            ConfigurationError: As :meth:`search`.
            LanguageModelError: As :meth:`search`.
        """
        if k < 1 or neighbours < 0:
            raise ConfigurationError(
                f"cannot give {k} passages with {neighbours} neighbours",
                remedy="Ask for at least 1, and for 0 or more neighbours.",
            )
        import numpy as np

        lexical = self._lexical.scores(parse_query(query))
        if self._vectors is None:
            scores, places = lexical.total, np.flatnonzero(lexical.found)
        else:
            rankings = [(np.where(s > 0, s, -np.inf), weight) for s, weight in lexical.weighted()]
            rankings.append((self._vectors.similarities(query), self._embedding_weight))
            scores, places = reciprocal_rank_fusion(rankings), np.arange(len(self.chunks))
        best = places[np.argsort(-scores[places], kind="stable")[:k]].tolist()
        hits = {place: float(scores[place]) for place in best}
        ranked: dict[int, float] = {}
        for place in best:
            for near in self._around(place, neighbours):
                ranked.setdefault(near, hits.get(near, 0.0))
        return tuple(ranked.items())

    def names(self, query: str) -> bool:
        """Whether a question names a place that there is: a page, a figure or a table."""
        return bool(self._lexical.scores(parse_query(query)).references.any())

    def _around(self, place: int, reach: int) -> Iterator[int]:
        """A chunk and those before and after it in its document, in reading order."""
        source = self.chunks[place].source
        for near in range(max(0, place - reach), min(len(self.chunks), place + reach + 1)):
            if self.chunks[near].source == source:
                yield near


def _with_section(chunk: Chunk) -> str:
    return "\n".join((" > ".join(chunk.section), chunk.text)) if chunk.section else chunk.text


def _passage(chunk: Chunk, page: int, score: float) -> Passage:
    return Passage(
        text=chunk.text,
        source=chunk.source,
        page=page,
        boxes=chunk.boxes_on(page),
        score=score,
        section=chunk.section,
        span=chunk.span_on(page),
        pieces=chunk.pieces,
    )
