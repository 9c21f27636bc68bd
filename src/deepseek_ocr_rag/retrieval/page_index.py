"""Whole pages by their words, by their phrases, and by what they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..text.terms import search_phrases, search_terms, with_stems
from .bm25 import Bm25, Names
from .chunking import Chunk
from .contents_pages import is_contents
from .query import Query
from .references import page_references

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float64]

__all__ = ["PageIndex", "PageKey", "PageScores"]

PageKey = tuple[str, int]
"""A page: its document's source, and its 1-based number."""

SHORTEST: Final = 0.5
"""See :class:`Bm25`."""

CONTENTS: Final = 0.8
CONTENTS_ASKED_FOR: Final = 1.5
"""By what the words of a table of contents count: it names what other pages tell, but
is what a question for a page number wants."""


@dataclass(frozen=True, slots=True, eq=False)
class PageScores:
    """How well each page fits, one array for each kind of evidence; 0 for none.

    Attributes:
        words: Its words.
        phrases: Its phrases.
        references: The question names it.
        factor: By what the words of its chunks count.
    """

    words: Scores
    phrases: Scores
    references: Scores
    factor: Scores


class PageIndex:
    """The pages on which chunks stand.

    Args:
        chunks: All of them.
        terms: The search terms of each.
        labels: Numbers printed on pages, where they are known.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        terms: Sequence[list[str]],
        labels: Mapping[PageKey, str],
    ) -> None:
        import numpy as np

        self.terms = _page_terms(chunks, terms)
        self.keys = tuple(self.terms)
        texts: dict[PageKey, list[str]] = {key: [] for key in self.keys}
        for chunk in chunks:
            for piece in chunk.pieces:
                if not piece.repeated:
                    texts[chunk.source, piece.page].append(chunk.text[piece.offset : piece.end])
        self._contents = np.array([is_contents("\n".join(text)) for text in texts.values()], bool)
        self._words = Bm25(map(with_stems, self.terms.values()), shortest=SHORTEST)
        self._phrases = Bm25(map(search_phrases, self.terms.values()), shortest=SHORTEST)
        last: dict[str, int] = {}
        for source, number in self.keys:
            last[source] = max(number, last.get(source, 0))
        self._names = Names(
            [
                page_references(key[1], labels.get(key), last=key[1] == last[key[0]])
                for key in self.keys
            ]
        )

    def scores(self, query: Query) -> PageScores:
        """How well each page fits a question."""
        import numpy as np

        asked_for = CONTENTS_ASKED_FOR if query.asks_for_page else CONTENTS
        factor = np.where(self._contents, asked_for, 1.0)
        return PageScores(
            words=factor * self._words.scores(query.terms),
            phrases=factor * self._phrases.scores(query.phrases),
            references=self._names.scores(query.references),
            factor=factor,
        )


def _page_terms(chunks: Sequence[Chunk], terms: Sequence[list[str]]) -> dict[PageKey, list[str]]:
    pages: dict[PageKey, list[str]] = defaultdict(list)
    for chunk, text in zip(chunks, terms, strict=True):
        if len(chunk.pages) == 1 and not any(piece.repeated for piece in chunk.pieces):
            pages[chunk.source, chunk.pages[0]] += text
            continue
        for piece in chunk.pieces:
            if not piece.repeated:
                found = search_terms(chunk.text[piece.offset : piece.end])
                pages[chunk.source, piece.page] += found
    return dict(pages)
