"""Texts by the words that they share with a question, and things by what they are called."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from .references import Reference

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float64]

__all__ = ["Bm25", "Names"]

K1: Final = 2.0
"""At the upper end of what is usual: pages are long enough to repeat what they are about."""


class Bm25:
    """bm25s with Lucene's formula and its default b of 0.75, also over nothing.

    Args:
        terms: Of each text.
        shortest: The share of the average length that a text counts as at least.
            BM25 would otherwise take a title page of three words for the one that
            says most about them.
    """

    def __init__(self, terms: Iterable[list[str]], *, shortest: float) -> None:
        import bm25s

        texts = list(terms)
        self._size = len(texts)
        self._index = None
        if any(texts):
            length = max(1, math.ceil(shortest * sum(map(len, texts)) / len(texts)))
            self._index = bm25s.BM25(k1=K1, backend="numpy")
            # "" is no term of any question; it only adds to the length.
            self._index.index(
                [text + [""] * (length - len(text)) for text in texts], show_progress=False
            )

    def scores(self, terms: Sequence[str]) -> Scores:
        """One score a text; 0 where it has none of the terms."""
        import numpy as np

        ids = self._index.get_tokens_ids(list(terms)) if self._index is not None else []
        if self._index is None or not ids:
            return np.zeros(self._size)
        scores: Scores = self._index.get_scores_from_ids(ids).astype(np.float64)
        return scores


class Names:
    """What things are called, weighted as BM25 weighs a word: by how few have it.

    Args:
        names: Of each thing.
    """

    def __init__(self, names: Sequence[frozenset[Reference]]) -> None:
        self._size = len(names)
        self._places: dict[Reference, list[int]] = defaultdict(list)
        for place, own in enumerate(names):
            for name in own:
                self._places[name].append(place)

    def scores(self, references: Iterable[Reference]) -> Scores:
        """One score a thing; 0 where it has none of the names."""
        import numpy as np

        scores = np.zeros(self._size)
        for reference in references:
            if places := self._places.get(reference):
                rarity = math.log(1 + (self._size - len(places) + 0.5) / (len(places) + 0.5))
                scores[places] = np.maximum(scores[places], rarity)
        return scores
