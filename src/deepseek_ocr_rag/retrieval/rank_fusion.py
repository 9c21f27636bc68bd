"""Reciprocal rank fusion: joins rankings whose scores cannot be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .bm25 import Scores

__all__ = ["reciprocal_rank_fusion"]

RANK_CONSTANT: Final = 60
"""The k of reciprocal rank fusion, as its authors set it."""


def reciprocal_rank_fusion(rankings: Iterable[tuple[Scores, float]]) -> Scores:
    """Sum ``weight / (60 + rank)`` over rankings of the same items, higher scores first.

    Cormack, Clarke and Buettcher, SIGIR 2009, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods". Equal scores share the best of their ranks; ``-inf`` means
    that the ranking does not contain the item. Raises ValueError if there is no ranking.
    """
    import numpy as np

    parts = []
    for scores, weight in rankings:
        descending = np.sort(-scores)
        ranks = 1 + np.searchsorted(descending, -scores, side="left")
        parts.append(np.where(np.isneginf(scores), 0.0, weight / (RANK_CONSTANT + ranks)))
    if not parts:
        raise ValueError("no ranking to fuse")
    fused: Scores = np.sum(parts, axis=0)
    return fused
