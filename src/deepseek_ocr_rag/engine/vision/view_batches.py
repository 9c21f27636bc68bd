"""Numbers of views that go through the towers at once: few, because each needs a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..ops import QUERY_TILE

__all__ = [
    "ROWS",
    "batch_sizes",
    "goes_beside",
    "row_batches",
    "row_tiles",
    "rows_of_graph",
    "tiles_of_graph",
    "usable_sizes",
]

BATCHES: Final = (1, 2, 4, 6, 8, 12, 24)
"""Numbers of views that go through the towers at once. 6 is a portrait page's tiles."""

MAX_PADDING: Final = 4 / 3
"""Largest ratio of a padded batch to its views."""

BATCH_PATCHES: Final = 40_000
"""Most patches that go through the towers at once: 24 tiles of 640 or 8 views of
1,024. A quarter of them keeps an H200 busy; all take 0.7 GiB at the published sizes
(``benchmarks/engine/vision.py``)."""

WHOLE_PAGE: Final = 4096
"""Fewest patches of a view that goes through the first tower beside smaller ones: a page of 1,024
pixels beside its tiles."""

MOST_BESIDE: Final = 4 * WHOLE_PAGE
"""Most patches that do so, those of the pages of a prefill. They need memory of their own, 0.36 GiB."""

ROWS: Final = (512, 896, 1792, 2688, 3456)
"""Numbers of rows that go through the second tower at once: those of a page of two tiles, and of one to
four pages of six."""


def usable_sizes(patches: int) -> list[int]:
    """Return the batch sizes for views of a number of patches, largest first."""
    return [size for size in reversed(BATCHES) if size * patches <= BATCH_PATCHES] or [1]


def goes_beside(size: int, patches: int) -> bool:
    """Return whether a batch of views goes through the first tower while other batches do.

    Alone, neither keeps the device busy: the products of a page's seven views lose a tenth of their
    speed.
    """
    return patches >= WHOLE_PAGE and size * patches <= MOST_BESIDE


def batch_sizes(count: int, patches: int) -> list[int]:
    """Split views into batches of few sizes, because each size needs a graph.

    Args:
        count: Number of views.
        patches: Number of patches of a view.

    Returns:
        Sizes out of :data:`BATCHES`, largest first. Their sum may exceed ``count`` if padding the
        last batch costs less than one more batch.
    """
    usable = usable_sizes(patches)
    sizes: list[int] = []
    while count > 0:
        padded = min((size for size in usable if size >= count), default=0)
        if 0 < padded <= MAX_PADDING * count:
            return [*sizes, padded]
        sizes.append(next(size for size in usable if size <= count))
        count -= sizes[-1]
    return sizes


def tiles_of_graph(rows: int) -> int:
    """Return how many tiles of queries a graph of the second tower has room for."""
    return 2 * rows // QUERY_TILE


def rows_of_graph(rows: int, tiles: int) -> int | None:
    """Return the rows of the smallest graph of the second tower that holds these; None if none does."""
    return next((size for size in ROWS if rows <= size and tiles <= tiles_of_graph(size)), None)


def row_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Split views, given as their numbers of rows, into batches for the second tower, in order.

    Each fits into the largest graph, unless a view by itself does not.
    """
    batches: list[list[int]] = []
    for length in lengths:
        if batches:
            longer = [*batches[-1], length]
            if rows_of_graph(sum(longer), sum(-(-each // QUERY_TILE) for each in longer)):
                batches[-1] = longer
                continue
        batches.append([length])
    return batches


def row_tiles(lengths: Sequence[int]) -> NDArray[np.int32]:
    """List the tiles of queries of views whose rows follow each other, as attention takes them.

    See :meth:`..ops.Ops.attend_prompts`.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    tiles = [
        (start, first, length)
        for start, length in zip(starts, lengths, strict=True)
        for first in range(0, length, QUERY_TILE)
    ]
    return np.array(tiles, np.int32)
