"""Search over chunks: BM25 of the chunks and of their whole pages, fused.

A short chunk says exactly where something stands, a whole page says what it is
about; reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009) joins
the two orders without making their scores comparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .chunking import Chunk, Piece, chunk_document
from .document import Box, OcrDocument
from .errors import ConfigurationError
from .terms import question_terms, terms

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Passage", "Retriever"]

RANK_CONSTANT: Final = 60
"""The k of reciprocal rank fusion, as its authors set it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found.

    Attributes:
        text: Its Markdown.
        source: The document.
        page: 1-based page on which it begins.
        boxes: Where it stands on that page.
        score: How well it fits, higher is better; comparable within one
            search only.
        section: The headings above it, outermost first.
        span: ``(start, end)`` in the page's Markdown, from first to last character.
        pieces: The slices of the page that it is made of.
    """

    text: str
    source: str
    page: int
    boxes: tuple[Box, ...]
    score: float
    section: tuple[str, ...]
    span: tuple[int, int]
    pieces: tuple[Piece, ...]

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
        chunks: All that can be found.

    Example:
        >>> retriever = Retriever.from_documents([document])  # doctest: +SKIP
        >>> retriever.search("Who keeps the lamp?", k=3)[0].page  # doctest: +SKIP
        2
    """

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        import numpy as np

        self.chunks = tuple(chunks)
        texts = [terms(chunk.text) for chunk in self.chunks]
        # A chunk in the middle of a section rarely repeats what its headings say.
        self._by_chunk = _Bm25(
            [terms(" ".join(c.section)) + t for c, t in zip(self.chunks, texts, strict=True)]
        )
        pages: dict[tuple[str, int], list[str]] = {}
        for chunk, text in zip(self.chunks, texts, strict=True):
            pages.setdefault((chunk.source, chunk.pages[0]), []).extend(text)
        self._by_page = _Bm25(list(pages.values()))
        numbers = {page: number for number, page in enumerate(pages)}
        self._page_of = np.array(
            [numbers[chunk.source, chunk.pages[0]] for chunk in self.chunks], dtype=np.intp
        )

    @classmethod
    def from_documents(
        cls, documents: Iterable[OcrDocument], *, max_chars: int = 1200
    ) -> Retriever:
        """Cut documents into chunks and index them."""
        return cls(c for d in documents for c in chunk_document(d, max_chars=max_chars))

    def search(self, query: str, k: int = 5) -> tuple[Passage, ...]:
        """The best passages for a question.

        Args:
            query: A question or a few words.
            k: At most this many, 1 or more.

        Returns:
            The passages, best first. Only such as share a term with the query:
            none, where it has no word that the documents have.

        Raises:
            ConfigurationError: If ``k`` is below 1.
        """
        if k < 1:
            raise ConfigurationError(f"cannot give {k} passages", remedy="Ask for at least 1.")
        import numpy as np

        words = question_terms(query)
        by_chunk = self._by_chunk.scores(words)
        by_page = self._by_page.scores(words)[self._page_of]
        found = np.flatnonzero(by_chunk > 0)
        fused = _reciprocal_ranks(by_chunk[found]) + _reciprocal_ranks(by_page[found])
        best = np.argsort(-fused, kind="stable")[:k]
        return tuple(_passage(self.chunks[found[i]], float(fused[i])) for i in best)


def _passage(chunk: Chunk, score: float) -> Passage:
    return Passage(
        text=chunk.text,
        source=chunk.source,
        page=chunk.pages[0],
        boxes=chunk.boxes,
        score=score,
        section=chunk.section,
        span=chunk.span,
        pieces=chunk.pieces,
    )


def _reciprocal_ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """``1 / (k + rank)``; equal scores share the best of their ranks."""
    import numpy as np

    descending = np.sort(-scores)
    ranks = 1 + np.searchsorted(descending, -scores, side="left")
    return 1.0 / (RANK_CONSTANT + ranks.astype(np.float64))


class _Bm25:
    """bm25s with its defaults (Lucene's formula, k1 1.5, b 0.75), also over nothing."""

    def __init__(self, texts: Sequence[list[str]]) -> None:
        import bm25s

        self._size = len(texts)
        self._index = None
        if any(texts):
            self._index = bm25s.BM25(backend="numpy")
            # bm25s takes no empty text; "" is its own word for one.
            self._index.index([text or [""] for text in texts], show_progress=False)

    def scores(self, words: list[str]) -> npt.NDArray[np.float32]:
        """One score a text; 0 where it has none of the words."""
        import numpy as np

        ids = self._index.get_tokens_ids(words) if self._index is not None else []
        if self._index is None or not ids:
            return np.zeros(self._size, dtype=np.float32)
        scores: npt.NDArray[np.float32] = self._index.get_scores_from_ids(ids)
        return scores
