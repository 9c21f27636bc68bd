"""Rankings by scores that cannot be compared, joined into one by their ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["reciprocal_rank_fusion"]

RANK_CONSTANT: Final = 60
"""The k of reciprocal rank fusion, as its authors set it."""


def reciprocal_rank_fusion(
    rankings: Iterable[tuple[npt.NDArray[np.float64], float]],
) -> npt.NDArray[np.float64]:
    """The sum of ``weight / (60 + rank)`` over rankings.

    Cormack, Clarke and Buettcher, SIGIR 2009, "Reciprocal rank fusion outperforms
    Condorcet and individual rank learning methods".

    Args:
        rankings: Scores of the same items, higher is better, each with its weight.
            Equal scores share the best of their ranks. ``-inf`` means that an item
            is not in a ranking, which then gives it nothing.

    Returns:
        One score an item.

    Raises:
        ValueError: If there is no ranking.
    """
    import numpy as np

    parts = []
    for scores, weight in rankings:
        descending = np.sort(-scores)
        ranks = 1 + np.searchsorted(descending, -scores, side="left")
        parts.append(np.where(np.isneginf(scores), 0.0, weight / (RANK_CONSTANT + ranks)))
    if not parts:
        raise ValueError("no ranking to fuse")
    fused: npt.NDArray[np.float64] = np.sum(parts, axis=0)
    return fused
