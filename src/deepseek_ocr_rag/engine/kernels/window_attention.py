"""Computes attention within windows of patches; matrix units add the relative positions.

A window is a square of patches; in a global layer it is the whole picture. For each query a first
kernel computes the bias of each row and column of its window. Flash attention (Dao et al., 2023)
then goes over blocks of keys that are small squares: a block has few rows and columns, so that one
more product, of these biases with a matrix of zeros and ones, adds the right sum to every score.
Padding rows and columns get a bias so low that their scores have no weight.

Windows and blocks are found by arithmetic on patch indices: nothing is cut out, padded or merged
in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["WindowTuning", "window_attention"]

LOG2_E = 1.4426950408889634

NEVER = -30_000.0
"""A score so low that it has no weight, and that fits into 16 bits."""

BLOCK = 8
"""Side of a block of keys in patches: 8 rows and 8 columns fill a matrix unit's 16."""

LINE = 64
"""Queries of a line of the picture whose biases are computed at once."""

LARGEST_WINDOW = 16
"""Largest side of a window whose keys are a single block."""


@dataclass(frozen=True, slots=True)
class WindowTuning:
    """How the work is tiled."""

    queries: int  # computed at once
    warps: int  # of a program
    stages: int  # blocks of keys that are loaded ahead (software pipelining); windows are one block


WINDOWS: Final = WindowTuning(queries=64, warps=4, stages=1)
PICTURES: Final = WindowTuning(queries=128, warps=8, stages=3)
FEW_PICTURES: Final = WindowTuning(queries=64, warps=4, stages=3)
"""The fastest found for windows of 14, and pictures of 40 and 64 patches
(``benchmarks/engine/vision.py tilings``)."""

MOST_OF_FEW: Final = 512
"""Most programs of :data:`PICTURES` for which :data:`FEW_PICTURES` is faster: so few run in one or
two turns, of which the last is half empty."""


@triton.jit(do_not_specialize=["grid"])
def _terms(
    qkv,
    rows,
    columns,
    terms,
    grid,
    heads,
    SIDE: tl.constexpr,
    FILLED_UP: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    FACTOR: tl.constexpr,
    NEVER: tl.constexpr,
):
    """Compute the biases of one row or column of the picture, times ``FACTOR``.

    Queries of one row get the bias of each row of their windows, queries of one column that of each
    column. All queries of a line are equally far from one such row or column, so that their biases
    are one product with a part of the table.
    """
    head = tl.program_id(0)
    line = tl.program_id(1) % grid
    picture = tl.program_id(2) // 2
    is_column = tl.program_id(2) % 2 == 1
    patches = grid * grid
    spot = tl.program_id(1) // grid * QUERIES + tl.arange(0, QUERIES)
    inside = spot < grid
    patch = tl.where(is_column, spot * grid + line, line * grid + spot)
    channel = tl.arange(0, WIDTH)
    cell = (picture * patches + patch) * (3 * heads * WIDTH) + head * WIDTH
    query = tl.load(qkv + cell[:, None] + channel[None, :], mask=inside[:, None], other=0.0)
    key = tl.arange(0, KEYS)
    known = (key < SIDE)[None, :]
    vector = (line % SIDE - key + SIDE - 1)[None, :] * WIDTH + channel[:, None]
    part = tl.load((columns if is_column else rows) + vector, mask=known, other=0.0)
    found = tl.dot(query, part, input_precision="ieee") * FACTOR
    found = tl.where(known, found, NEVER).to(terms.dtype.element_ty)
    offset = ((picture * heads + head).to(tl.int64) * patches + patch) * (2 * FILLED_UP)
    target = terms + offset[:, None] + tl.where(is_column, FILLED_UP, 0) + key[None, :]
    tl.store(target, found, mask=inside[:, None] & (key < FILLED_UP)[None, :])


@triton.jit
def _patches_of(
    first,
    top,
    left,
    grid,
    SIDE: tl.constexpr,
    FILLED_UP: tl.constexpr,
    QUERIES: tl.constexpr,
):
    """Return the patches of some queries of a window, and which of them exist."""
    own = first + tl.arange(0, QUERIES)
    row = own // FILLED_UP
    column = own % FILLED_UP
    asked = (row < SIDE) & (column < SIDE) & (top + row < grid) & (left + column < grid)
    return tl.where(asked, (top + row) * grid + left + column, 0), asked


@triton.jit(do_not_specialize=["grid"])
def _within_windows(
    qkv,
    bias,
    terms,
    result,
    grid,
    heads,
    across,
    factor,
    SIDE: tl.constexpr,
    FILLED_UP: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
):
    """Compute one head of one window: all keys at once, the queries in turn."""
    patches = grid * grid
    width = heads * WIDTH
    # Heads first: programs that run side by side read the same lines.
    head = tl.program_id(0)
    window = tl.program_id(1) % (across * across)
    picture = tl.program_id(1) // (across * across)
    top = window // across * SIDE
    left = window % across * SIDE
    channel = tl.arange(0, WIDTH)[None, :]
    part = tl.arange(0, 2 * FILLED_UP)
    start = qkv + picture * patches * (3 * width) + head * WIDTH
    own_terms = terms + (picture * heads + head).to(tl.int64) * patches * (2 * FILLED_UP)
    patch, asked = _patches_of(0, top, left, grid, SIDE, FILLED_UP, QUERIES)
    query = tl.load(start + patch[:, None] * (3 * width) + channel, mask=asked[:, None], other=0.0)
    term = tl.load(
        own_terms + patch[:, None] * (2 * FILLED_UP) + part[None, :],
        mask=asked[:, None],
        other=0.0,
    )

    spot = tl.arange(0, FILLED_UP * FILLED_UP)
    row = spot // FILLED_UP
    column = spot % FILLED_UP
    real = (row < SIDE) & (column < SIDE) & (top + row < grid) & (left + column < grid)
    # Beyond the picture's edge the input is zero, so keys and values are the biases.
    seen = start + ((top + row) * grid + left + column) * (3 * width)
    seen = tl.where(real, seen, bias + head * WIDTH)
    key = tl.load(width + seen[:, None] + channel)
    value = tl.load(2 * width + seen[:, None] + channel)
    is_own = (part[:, None] == row[None, :]) | (part[:, None] == FILLED_UP + column[None, :])
    ones = is_own.to(key.dtype)

    inside = tl.minimum(SIDE, grid - top)
    for first in tl.range(0, inside * FILLED_UP, QUERIES, num_stages=1):
        # The next queries are loaded while these are computed.
        next_patch, next_asked = _patches_of(
            first + QUERIES, top, left, grid, SIDE, FILLED_UP, QUERIES
        )
        next_query = tl.load(
            start + next_patch[:, None] * (3 * width) + channel,
            mask=next_asked[:, None],
            other=0.0,
        )
        next_term = tl.load(
            own_terms + next_patch[:, None] * (2 * FILLED_UP) + part[None, :],
            mask=next_asked[:, None],
            other=0.0,
        )
        score = tl.dot(query, tl.trans(key), input_precision="ieee")
        score = tl.dot(term, ones, score, input_precision="ieee")
        peak = tl.max(score, 1)
        weight = tl.exp2(score * factor - (peak * factor)[:, None])
        total = tl.sum(weight, 1)
        mixed = tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        mixed = mixed * (1.0 / total)[:, None]
        target = result + (picture * patches + patch) * width + head * WIDTH
        tl.store(target[:, None] + channel, mixed.to(result.dtype.element_ty), mask=asked[:, None])
        patch = next_patch
        asked = next_asked
        query = next_query
        term = next_term


@triton.jit
def _over_pictures(
    qkv,
    terms,
    result,
    heads,
    factor,
    SIDE: tl.constexpr,
    FILLED_UP: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Compute one head of some queries over the whole picture."""
    patches = SIDE * SIDE
    width = heads * WIDTH
    picture = tl.program_id(1)
    head = tl.program_id(2)
    channel = tl.arange(0, WIDTH)
    start = qkv + picture * patches * (3 * width) + head * WIDTH

    patch = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    asked = patch < patches
    query = tl.load(
        start + patch[:, None] * (3 * width) + channel[None, :], mask=asked[:, None], other=0.0
    )
    offset = ((picture * heads + head).to(tl.int64) * patches + patch) * (2 * FILLED_UP)
    part = tl.arange(0, 2 * BLOCK)
    row_terms = terms + offset[:, None] + part[None, :]
    column_terms = row_terms + FILLED_UP - BLOCK
    for_rows = asked[:, None] & (part < BLOCK)[None, :]
    for_columns = asked[:, None] & (part >= BLOCK)[None, :]

    spot = tl.arange(0, BLOCK * BLOCK)
    row = spot // BLOCK
    column = spot % BLOCK
    is_own = (part[:, None] == row[None, :]) | (part[:, None] == BLOCK + column[None, :])
    ones = is_own.to(query.dtype)

    peak = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES, BLOCK], tl.float32)
    mixed = tl.zeros([QUERIES, WIDTH], tl.float32)
    across: tl.constexpr = FILLED_UP // BLOCK
    for block in tl.range(0, across * across, num_stages=STAGES):
        top = block // across * BLOCK
        left = block % across * BLOCK
        seen = start + ((top + row) * SIDE + left + column) * (3 * width)
        if FILLED_UP > SIDE:
            real = (top + row < SIDE) & (left + column < SIDE)
            key = tl.load(width + seen[None, :] + channel[:, None], mask=real[None, :], other=0.0)
            value = tl.load(
                2 * width + seen[:, None] + channel[None, :], mask=real[:, None], other=0.0
            )
        else:
            key = tl.load(width + seen[None, :] + channel[:, None])
            value = tl.load(2 * width + seen[:, None] + channel[None, :])
        term = tl.load(row_terms + top, mask=for_rows, other=0.0)
        term += tl.load(column_terms + left, mask=for_columns, other=0.0)
        # Waiting for the small product first is 6 % faster than waiting for it last.
        score = tl.dot(term, ones, input_precision="ieee")
        score = tl.dot(query, key, score, input_precision="ieee")
        new_peak = tl.maximum(peak, tl.max(score, 1))
        weight = tl.exp2(score * factor - (new_peak * factor)[:, None])
        shrink = tl.exp2((peak - new_peak) * factor)
        # Columns of a block stay apart: each thread adds up its own, and they are joined once.
        total = total * shrink[:, None]
        total += tl.sum(tl.reshape(weight, [QUERIES, BLOCK, BLOCK]), 1)
        mixed = mixed * shrink[:, None]
        mixed += tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        peak = new_peak
    mixed = mixed * (1.0 / tl.sum(total, 1))[:, None]
    target = result + (picture * patches + patch) * width + head * WIDTH
    tl.store(
        target[:, None] + channel[None, :], mixed.to(result.dtype.element_ty), mask=asked[:, None]
    )


def window_attention(
    qkv: Tensor,
    bias: Tensor,
    rows: Tensor,
    columns: Tensor,
    *,
    heads: int,
    tuning: WindowTuning | None = None,
) -> Tensor:
    """See :func:`.sam_attention.window_attention`; without a tuning, the fastest measured.

    ``qkv``, ``rows`` and ``columns`` must be contiguous.
    """
    pictures, grid, _, channels = qkv.shape
    width = channels // 3 // heads
    side = (len(rows) + 1) // 2
    in_windows = side <= LARGEST_WINDOW
    filled_up = (
        max(BLOCK, triton.next_power_of_2(side)) if in_windows else triton.cdiv(side, BLOCK) * BLOCK
    )
    terms = qkv.new_empty(pictures, heads, grid * grid, 2 * filled_up)
    launch(
        _terms,
        (heads, triton.cdiv(grid, LINE) * grid, 2 * pictures),
        qkv,
        rows,
        columns,
        terms,
        grid,
        heads,
        SIDE=side,
        FILLED_UP=filled_up,
        WIDTH=width,
        QUERIES=LINE,
        KEYS=max(16, triton.next_power_of_2(filled_up)),
        # Biases are added before the scores are scaled.
        FACTOR=width**0.5,
        NEVER=NEVER,
        num_warps=4,
    )
    result = qkv.new_empty(pictures, grid, grid, channels // 3)
    factor = width**-0.5 * LOG2_E
    if in_windows:
        tuning = tuning or WINDOWS
        across = triton.cdiv(grid, side)
        launch(
            _within_windows,
            (heads, pictures * across**2),
            qkv,
            bias,
            terms,
            result,
            grid,
            heads,
            across,
            factor,
            SIDE=side,
            FILLED_UP=filled_up,
            WIDTH=width,
            QUERIES=tuning.queries,
            num_warps=tuning.warps,
        )
    else:
        programs = triton.cdiv(grid * grid, PICTURES.queries) * pictures * heads
        tuning = tuning or (PICTURES if programs > MOST_OF_FEW else FEW_PICTURES)
        launch(
            _over_pictures,
            (triton.cdiv(grid * grid, tuning.queries), pictures, heads),
            qkv,
            terms,
            result,
            heads,
            factor,
            SIDE=side,
            FILLED_UP=filled_up,
            WIDTH=width,
            QUERIES=tuning.queries,
            BLOCK=BLOCK,
            STAGES=tuning.stages,
            num_warps=tuning.warps,
        )
    return result
