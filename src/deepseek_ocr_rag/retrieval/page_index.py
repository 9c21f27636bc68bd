"""Scores whole pages by their words, by their phrases and by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..text.terms import search_phrases, search_terms, with_stems
from .bm25 import Bm25, ReferenceIndex
from .chunking import Chunk
from .contents_pages import is_contents, is_listing
from .query import Query
from .references import page_references

if TYPE_CHECKING:
    from .bm25 import Scores

__all__ = ["PageIndex", "PageKey", "PageScores"]

PageKey = tuple[str, int]
"""A page: its document's source and its 1-based number."""

MIN_LENGTH: Final = 0.5
"""See :class:`Bm25`."""

CONTENTS_FACTOR: Final = 0.8
CONTENTS_FACTOR_FOR_PAGE_QUESTIONS: Final = 1.5
"""Factors for the word scores of a table of contents: it repeats what other pages explain, but it
answers a question that asks for a page number."""
LISTING_FACTOR: Final = 0.8
"""The same for lists of exhibits and auditors' reports, unless the question is about them."""


@dataclass(frozen=True, slots=True, eq=False)
class PageScores:
    """How well each page fits: one array per kind of evidence, 0 for none."""

    words: Scores
    phrases: Scores
    references: Scores  # the question names it
    factor: Scores  # a factor for the word scores of its chunks


class PageIndex:
    """Indexes the pages on which chunks are; ``labels`` are printed page numbers, where known."""

    def __init__(
        self, chunks: Sequence[Chunk], terms: Sequence[list[str]], labels: Mapping[PageKey, str]
    ) -> None:
        import numpy as np

        self.terms: dict[PageKey, list[str]] = defaultdict(list)
        texts: dict[PageKey, list[str]] = defaultdict(list)
        for chunk, own in zip(chunks, terms, strict=True):
            pieces = [piece for piece in chunk.pieces if not piece.repeated]
            one_page = len(chunk.pages) == 1 and len(pieces) == len(chunk.pieces)
            if one_page:
                self.terms[chunk.source, chunk.pages[0]] += own
            for piece in pieces:
                key, text = (chunk.source, piece.page), chunk.text[piece.offset : piece.end]
                texts[key].append(text)
                if not one_page:
                    self.terms[key] += search_terms(text)
        self.keys = tuple(self.terms)
        joined = ["\n".join(text) for text in texts.values()]
        self._contents = np.array(list(map(is_contents, joined)), bool)
        self._listings = np.array(list(map(is_listing, joined)), bool)
        self._words = Bm25(map(with_stems, self.terms.values()), min_length=MIN_LENGTH)
        self._phrases = Bm25(map(search_phrases, self.terms.values()), min_length=MIN_LENGTH)
        last: dict[str, int] = {}
        for source, number in self.keys:
            last[source] = max(number, last.get(source, 0))
        self._references = ReferenceIndex(
            [
                page_references(key[1], labels.get(key), last=key[1] == last[key[0]])
                for key in self.keys
            ]
        )

    def best_share(self, query: Query) -> float:
        """How well the best page fits by its words, 0..1; see :meth:`Bm25.best_share`."""
        return self._words.best_share(tuple(dict.fromkeys(query.terms)))

    def scores(self, query: Query) -> PageScores:
        """How well each page fits a question."""
        import numpy as np

        contents_factor = (
            CONTENTS_FACTOR_FOR_PAGE_QUESTIONS if query.asks_for_page else CONTENTS_FACTOR
        )
        factor = np.where(self._contents, contents_factor, 1.0)
        if not query.asks_for_listing:
            factor = np.where(self._listings, LISTING_FACTOR * factor, factor)
        return PageScores(
            words=factor * self._words.weighted(query.weights),
            phrases=factor * self._phrases.scores(query.phrases),
            references=self._references.scores(query.references),
            factor=factor,
        )
