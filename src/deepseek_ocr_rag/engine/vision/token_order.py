"""The order in which the decoder reads the tokens of a page's views."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROW_END", "token_order"]

ROW_END: Final = -1
"""Stands for the embedding behind a row of tokens."""


@lru_cache(maxsize=64)
def token_order(tokens: int, grid: tuple[int, int], *, row_ends: bool) -> NDArray[np.int32]:
    """Indices of the tokens of a grid of views, read as one picture.

    ``tokens`` are those of a view, ``grid`` its columns and rows of views. With ``row_ends`` each
    row of tokens is followed by :data:`ROW_END`; without, the views follow each other. Indices
    count the views' tokens view by view.

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
