"""Search by words: BM25 at three scales, phrases, and the places that a question names.

A chunk says exactly where something stands, its page what it is about, its document
what the page belongs to. Words that stand together in the question count more where
they stand together on the page (Metzler and Croft, SIGIR 2005, "A Markov random field
model for term dependencies").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..document.captions import CAPTION_KINDS
from ..text.terms import search_terms, with_stems
from .bm25 import Bm25, Names
from .chunking import Chunk
from .page_index import PageIndex, PageKey
from .query import Query
from .references import Reference, caption_reference

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float64]

__all__ = ["LexicalIndex", "LexicalScores"]

CHUNK_WEIGHT: Final = 0.7
PHRASE_WEIGHT: Final = 0.7
DOCUMENT_WEIGHT: Final = 0.5
REFERENCE_WEIGHT: Final = 2.0
"""Beside 1 for the words of the page. A word counts twice, with its stem, and a
reference once. ``benchmarks/qa/retrieval.py`` says what they were chosen on."""

SHORTEST_CHUNK: Final = 0.7
SHORTEST_DOCUMENT: Final = 0.5
"""See :class:`Bm25`. Chunks were cut to be of one length: a short one says less."""


@dataclass(frozen=True, slots=True, eq=False)
class LexicalScores:
    """How well each chunk fits, one array for each kind of evidence; 0 for none.

    Attributes:
        chunk: Words of the chunk and of the headings above it.
        page: Words of its page.
        phrases: Phrases of its page.
        references: Its page, or a figure or table in it, is named in the question.
        document: Words of its document; 0 where there is only one.
    """

    chunk: Scores
    page: Scores
    phrases: Scores
    references: Scores
    document: Scores

    @property
    def total(self) -> Scores:
        """Their weighted sum: all are sums over terms, weighted by how rare a term is."""
        weighted: Scores = sum(
            (weight * scores for scores, weight in self.weighted()), 0 * self.chunk
        )
        return weighted

    def weighted(self) -> tuple[tuple[Scores, float], ...]:
        """Each kind of evidence with its weight."""
        return (
            (self.chunk, CHUNK_WEIGHT),
            (self.page, 1.0),
            (self.phrases, PHRASE_WEIGHT),
            (self.references, REFERENCE_WEIGHT),
            (self.document, DOCUMENT_WEIGHT),
        )

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which chunks share a word with the question, or are named in it."""
        return (self.chunk > 0) | (self.references > 0)


class LexicalIndex:
    """Words of chunks, of their pages and of their documents.

    Args:
        chunks: In the order in which scores come back.
        labels: Numbers printed on pages, where they are known.
    """

    def __init__(
        self, chunks: Sequence[Chunk], labels: Mapping[PageKey, str] | None = None
    ) -> None:
        import numpy as np

        terms = [search_terms(chunk.text) for chunk in chunks]
        self._pages = PageIndex(chunks, terms, labels or {})
        # A chunk in the middle of a section rarely repeats what its headings say.
        headed = (
            search_terms(" ".join(chunk.section)) + own
            for chunk, own in zip(chunks, terms, strict=True)
        )
        self._chunks = Bm25(map(with_stems, headed), shortest=SHORTEST_CHUNK)
        self._float_names = Names([_float_names(chunk) for chunk in chunks])
        documents: dict[str, list[str]] = defaultdict(list)
        for (source, _), own in self._pages.terms.items():
            documents[source] += own
        self._documents = Bm25(map(with_stems, documents.values()), shortest=SHORTEST_DOCUMENT)

        order = {source: number for number, source in enumerate(documents)}
        self._document_of = np.array([order[c.source] for c in chunks], dtype=np.intp)
        numbers = {page: number for number, page in enumerate(self._pages.keys)}
        self._pages_of = [[numbers[chunk.source, n] for n in _pages(chunk)] for chunk in chunks]
        # All pages of all chunks in one row, for numpy's reduceat.
        self._row = np.array([n for own in self._pages_of for n in own], dtype=np.intp)
        sizes = [len(own) for own in self._pages_of]
        self._starts = np.cumsum([0, *sizes[:-1]], dtype=np.intp)

    def scores(self, query: Query) -> LexicalScores:
        """How well each chunk fits a question."""
        import numpy as np

        pages = self._pages.scores(query)
        documents = self._documents.scores(query.terms)
        alone = len(documents) < 2
        return LexicalScores(
            chunk=self._best_page(pages.factor) * self._chunks.scores(query.terms),
            page=self._best_page(pages.words),
            phrases=self._best_page(pages.phrases),
            references=np.maximum(
                self._best_page(pages.references), self._float_names.scores(query.references)
            ),
            document=(0 if alone else 1) * documents[self._document_of],
        )

    def page_of(self, chunk: int, query: Query) -> int:
        """The page of a chunk that fits a question best, 1-based; of equals that with most of it."""
        own = self._pages_of[chunk]
        if len(own) > 1:
            pages = self._pages.scores(query)
            scores = (
                pages.words + PHRASE_WEIGHT * pages.phrases + REFERENCE_WEIGHT * pages.references
            )
            own = sorted(own, key=lambda page: -scores[page])
        return self._pages.keys[own[0]][1]

    def _best_page(self, scores: Scores) -> Scores:
        """For each chunk the best score of its pages."""
        import numpy as np

        if not self._pages_of:
            return scores
        best: Scores = np.maximum.reduceat(scores[self._row], self._starts)
        return best


def _pages(chunk: Chunk) -> list[int]:
    """Its pages, that with most of its text first."""
    return sorted(chunk.pages, key=lambda page: page != chunk.page)


def _float_names(chunk: Chunk) -> frozenset[Reference]:
    captions = (
        caption_reference(chunk.text[piece.offset : piece.end])
        for piece in chunk.pieces
        if piece.kind in CAPTION_KINDS
    )
    return frozenset(name for name in captions if name is not None)
