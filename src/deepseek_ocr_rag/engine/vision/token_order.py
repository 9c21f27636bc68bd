"""The order in which the decoder reads the tokens of a page's views."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROW_END", "token_order"]

ROW_END: Final = -1
"""Stands for the embedding after a row of tokens."""


@lru_cache(maxsize=64)
def token_order(tokens: int, grid: tuple[int, int], *, row_ends: bool) -> NDArray[np.int32]:
    """Order the tokens of a grid of views as those of one picture.

    Args:
        tokens: Number of tokens of a view.
        grid: Columns and rows of views.
        row_ends: Whether :data:`ROW_END` follows each row of tokens; without, the views follow
            each other.

    Returns:
        Indices that count the tokens view by view.

    Example:
        >>> token_order(4, (2, 1), row_ends=True).tolist()
        [0, 1, 4, 5, -1, 2, 3, 6, 7, -1]
    """
    columns, rows = grid
    index = np.arange(columns * rows * tokens, dtype=np.int32)
    if not row_ends:
        return index
    side = round(tokens**0.5)
    views = index.reshape(rows, columns, side, side).swapaxes(1, 2)
    picture = views.reshape(rows * side, columns * side)
    return np.pad(picture, ((0, 0), (0, 1)), constant_values=ROW_END).ravel()
