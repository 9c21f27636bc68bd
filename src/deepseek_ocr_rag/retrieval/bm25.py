"""Scores texts with BM25, and names of pages, figures and tables with the same rarity weighting."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ..text.stop_words import quiet_bm25s
from .references import Reference

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float64]

__all__ = ["Bm25", "ReferenceIndex"]

K1: Final = 2.0
"""At the upper end of the usual range, because pages are long enough to repeat their topic."""


class Bm25:
    """bm25s with Lucene's formula and its default b of 0.75; accepts an empty corpus.

    Texts shorter than ``min_length`` times the average count as that long. Otherwise BM25 would
    rank a title page of three words above the pages about them.
    """

    def __init__(self, terms: Iterable[list[str]], *, min_length: float) -> None:
        bm25s = quiet_bm25s()
        texts = list(terms)
        self._size = len(texts)
        self._index = None
        if any(texts):
            length = max(1, math.ceil(min_length * sum(map(len, texts)) / len(texts)))
            self._index = bm25s.BM25(k1=K1, backend="numpy")
            # No question contains the term "": it only adds to the length.
            self._index.index(
                [text + [""] * (length - len(text)) for text in texts], show_progress=False
            )

    def scores(self, terms: Sequence[str]) -> Scores:
        """One score per text; 0 if it has none of the terms."""
        import numpy as np

        ids = self._index.get_tokens_ids(list(terms)) if self._index is not None else []
        if self._index is None or not ids:
            return np.zeros(self._size)
        scores: Scores = self._index.get_scores_from_ids(ids).astype(np.float64)
        return scores

    def weighted(self, weights: Sequence[tuple[Sequence[str], float]]) -> Scores:
        """The weighted sum of the scores of several groups of terms."""
        import numpy as np

        total = np.zeros(self._size)
        for terms, weight in weights:
            total += weight * self.scores(terms)
        return total

    def best_share(self, terms: Sequence[str]) -> float:
        """The best score of a text as a share of the highest that any text could reach, 0..1.

        The highest score is the sum of the rarities of all terms, including those that no text has;
        a text that repeats each of them comes near it. So scores of different questions can be
        compared.
        """
        import numpy as np

        rarities = 0.0
        for term in set(terms):
            having = int(np.count_nonzero(self.scores([term])))
            rarities += math.log(1 + (self._size - having + 0.5) / (having + 0.5))
        return float(self.scores(terms).max(initial=0.0)) / rarities if rarities else 0.0


class ReferenceIndex:
    """Finds items by name, and weights a name as BM25 weights a word: by how few items have it."""

    def __init__(self, names: Sequence[frozenset[Reference]]) -> None:
        self._size = len(names)
        self._indices: dict[Reference, list[int]] = defaultdict(list)
        for index, own in enumerate(names):
            for name in own:
                self._indices[name].append(index)

    def scores(self, references: Iterable[Reference]) -> Scores:
        """One score per item; 0 if it has none of the names."""
        import numpy as np

        scores = np.zeros(self._size)
        for reference in references:
            if found := self._indices.get(reference):
                rarity = math.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
                scores[found] = np.maximum(scores[found], rarity)
        return scores
