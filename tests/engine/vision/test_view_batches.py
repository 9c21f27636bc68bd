"""Views go through the towers in few numbers at once, and fit."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.engine.ops import QUERY_TILE
from deepseek_ocr_rag.engine.vision.view_batches import (
    BATCH_PATCHES,
    BATCHES,
    MAX_PADDING,
    ROWS,
    batch_sizes,
    row_batches,
    row_tiles,
    rows_of_graph,
    tiles_of_graph,
)


@given(count=st.integers(0, 500), patches=st.sampled_from([64, 1024, 1600, 4096, 6400, 10**6]))
def test_batches_are_few_sizes_that_fit(count, patches) -> None:
    sizes = batch_sizes(count, patches)
    padding = sum(sizes) - count
    assert padding == 0 or 0 < padding < sizes[-1] <= MAX_PADDING * (sizes[-1] - padding)
    assert set(sizes) <= set(BATCHES)
    assert all(size == 1 or size * patches <= BATCH_PATCHES for size in sizes)
    assert sizes == sorted(sizes, reverse=True)


# Of views of 64 to 1,280 pixels, and of one that is too large for any graph.
views = st.lists(st.sampled_from([2, 5, 10, 101, 257, 401, 5000]), min_size=1, max_size=60)


@given(lengths=views)
def test_batches_of_rows_are_as_large_as_a_graph(lengths) -> None:
    batches = row_batches(lengths)
    assert [length for batch in batches for length in batch] == lengths
    for batch in batches:
        size = rows_of_graph(sum(batch), len(row_tiles(batch)))
        if size is None:
            assert len(batch) == 1
            assert batch[0] > ROWS[-1]
        else:
            assert sum(batch) <= size
            assert len(row_tiles(batch)) <= tiles_of_graph(size)
    for batch, following in itertools.pairwise(batches):
        longer = [*batch, following[0]]
        assert rows_of_graph(sum(longer), len(row_tiles(longer))) is None


@given(lengths=views)
def test_tiles_cover_each_view_once(lengths) -> None:
    tiles = row_tiles(lengths)
    covered = [
        (start, row)
        for start, first, length in tiles.tolist()
        for row in range(first, min(first + QUERY_TILE, length))
    ]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    assert covered == [
        (start, row) for start, length in zip(starts, lengths, strict=True) for row in range(length)
    ]


def test_four_pages_of_six_tiles_fill_the_largest_graph() -> None:
    lengths = [257] * 4 + [101] * 24
    assert row_batches(lengths) == [lengths]
    assert rows_of_graph(sum(lengths), len(row_tiles(lengths))) == ROWS[-1]
    assert sum(lengths) > ROWS[-1] - 64
