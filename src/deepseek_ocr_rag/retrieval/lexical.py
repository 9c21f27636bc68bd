"""Searches by words: BM25 over chunks, pages and documents, phrases, and named pages and figures.

A chunk shows exactly where something is, its page shows what the chunk is about,
and its document shows what the page belongs to. Words that are neighbours in the
question count more if they are neighbours on the page (Metzler and Croft, SIGIR 2005,
"A Markov random field model for term dependencies").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from ..document.captions import CAPTION_KINDS
from ..text.terms import search_terms, with_stems
from .bm25 import Bm25, ReferenceIndex
from .chunking import Chunk
from .page_index import PageIndex, PageKey
from .query import Query
from .references import Reference, caption_reference
from .table_row_index import TableRowIndex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .bm25 import Scores

__all__ = ["LexicalIndex", "LexicalScores"]

CHUNK_WEIGHT: Final = 0.7
PHRASE_WEIGHT: Final = 0.7
DOCUMENT_WEIGHT: Final = 3.0
REFERENCE_WEIGHT: Final = 2.0
ROW_WEIGHT: Final = 0.3
"""Weights relative to the words of the page, which have 1. A word counts twice, by itself and by its
stem; a reference counts once. ``benchmarks/qa/retrieval.py`` says on which data the weights were
chosen."""

NAME_COUNT: Final = 20
"""How often a word of a document's name counts in the document."""

FEWEST_PAGES: Final = 10
"""Fewest pages for which the rarity of words says how well a page fits."""

_NAME_JOIN: Final = re.compile(r"[_\W]+")

MIN_CHUNK_LENGTH: Final = 0.7
MIN_DOCUMENT_LENGTH: Final = 0.5
"""See :class:`Bm25`. Chunks are cut to about the same length, so a short one says less."""


@dataclass(frozen=True, slots=True, eq=False)
class LexicalScores:
    """How well each chunk fits: one array per kind of evidence, 0 for none."""

    chunk: Scores  # words of the chunk and of the headings above it
    page: Scores  # words of its page
    phrases: Scores  # phrases of its page
    references: Scores  # the question names its page, or a figure or table in it
    document: Scores  # words of its document; 0 if there is only one
    rows: Scores  # words of a row of its tables, with the heads above it

    @property
    def total(self) -> Scores:
        """The weighted sum. The scores can be added because each is a sum of term rarities."""
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
            (self.rows, ROW_WEIGHT),
        )

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which chunks share a word with the question or are named in it."""
        return (self.chunk > 0) | (self.references > 0)


class LexicalIndex:
    """Indexes the words of chunks, of their pages and of their documents."""

    def __init__(
        self, chunks: Sequence[Chunk], labels: Mapping[PageKey, str] | None = None
    ) -> None:
        import numpy as np

        terms = [search_terms(chunk.text) for chunk in chunks]
        self._pages = PageIndex(chunks, terms, labels or {})
        documents: dict[str, list[str]] = defaultdict(list)
        for (source, _), own in self._pages.terms.items():
            documents[source] += own
        for source, own in documents.items():
            own += NAME_COUNT * name_terms(source)
        self._documents = Bm25(map(with_stems, documents.values()), min_length=MIN_DOCUMENT_LENGTH)
        order = {source: number for number, source in enumerate(documents)}
        self._document_of = np.array([order[c.source] for c in chunks], dtype=np.intp)

        # A chunk in the middle of a section rarely repeats the words of its headings.
        headed = (
            search_terms(" ".join(chunk.section)) + own
            for chunk, own in zip(chunks, terms, strict=True)
        )
        self._chunks = Bm25(map(with_stems, headed), min_length=MIN_CHUNK_LENGTH)
        self._rows = TableRowIndex(chunks)
        self._floats = ReferenceIndex([_float_references(chunk) for chunk in chunks])
        numbers = {page: number for number, page in enumerate(self._pages.keys)}
        self._pages_of = [[numbers[chunk.source, n] for n in _pages(chunk)] for chunk in chunks]
        # The pages of all chunks in one array, for numpy's reduceat.
        self._row = np.array([n for own in self._pages_of for n in own], dtype=np.intp)
        sizes = [len(own) for own in self._pages_of]
        self._starts = np.cumsum([0, *sizes[:-1]], dtype=np.intp)

    def scores(self, query: Query) -> LexicalScores:
        """How well each chunk fits a question."""
        import numpy as np

        pages = self._pages.scores(query)
        documents = self._documents.scores(query.terms)
        alone = len(documents) < 2
        factor = self._best_page(pages.factor)
        return LexicalScores(
            chunk=factor * self._chunks.weighted(query.weights),
            page=self._best_page(pages.words),
            phrases=self._best_page(pages.phrases),
            references=np.maximum(
                self._best_page(pages.references), self._floats.scores(query.references)
            ),
            document=(0 if alone else 1) * documents[self._document_of],
            rows=factor * self._rows.scores(query.weights),
        )

    def fit(self, query: Query) -> float | None:
        """How well the best page fits, 0..1; None if there are too few pages to say which words are rare."""
        return self._pages.best_share(query) if len(self._pages.keys) >= FEWEST_PAGES else None

    def page_of(self, chunk: int, query: Query) -> int:
        """The page of a chunk (given by index) that fits a question best, 1-based.

        Among equally good pages, the one with most of the chunk's text wins.
        """
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


def name_terms(source: str) -> list[str]:
    """The words of a document's name, because users name files after what they are about."""
    name = PurePath(source.replace("\\", "/")).stem
    return search_terms(_NAME_JOIN.sub(" ", name))


def _pages(chunk: Chunk) -> list[int]:
    """The chunk's pages, with the page that has most of its text first."""
    return sorted(chunk.pages, key=lambda page: page != chunk.page)


def _float_references(chunk: Chunk) -> frozenset[Reference]:
    captions = (
        caption_reference(chunk.text[piece.offset : piece.end])
        for piece in chunk.pieces
        if piece.kind in CAPTION_KINDS
    )
    return frozenset(name for name in captions if name is not None)
