"""Computes the attention of a decode step: few queries over a long cached context, read once.

The context of a sequence is split into chunks that are read in parallel; a second
kernel combines them (flash decoding: Dao et al., 2023). Queries are padded to the 16
rows that a matrix unit takes, which costs nothing, because the step waits on memory.

Blocks are read whole, even the one in which a sequence ends: the cache holds only
finite numbers, and those after the end have a weight of 0.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..block_pool import BLOCK_SIZE
from ..kv_cache import LayerCache
from ..ops import StepRows
from ..slots import Slots
from .block_sizes import attention_tuning
from .launching import await_previous, launch

__all__ = ["attend"]

ROWS = 16
"""Rows of a matrix unit."""

LOG2_E = 1.4426950408889634

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@triton.jit
def _span(slots, lengths, prompts, row, window, QUERIES: tl.constexpr, WINDOWED: tl.constexpr):
    """Return slot, tokens cached before this step, visible, prompt and skipped tokens.

    The tokens between the prompt and the first query's window are skipped; without
    them, the visible tokens are contiguous.
    """
    slot = tl.load(slots + row)
    cached = tl.load(lengths + slot)
    prompt = 0
    left_out = 0
    if WINDOWED:
        prompt = tl.load(prompts + slot)
        left_out = tl.maximum(cached - window + 1 - prompt, 0)
    return slot, cached, cached + QUERIES - left_out, prompt, left_out


@triton.jit
def _attend_chunk(
    queries,
    keys,
    values,
    key_scales,
    value_scales,
    slots,
    lengths,
    prompts,
    blocks,
    parts,
    weights,
    factor,
    query_stride,
    heads,
    window,
    max_blocks,
    chunks,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    MATRIX_ROWS: tl.constexpr,
    LARGEST: tl.constexpr,
    WINDOWED: tl.constexpr,
    SCALED: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    chunk = tl.program_id(1)
    slot, cached, seen, prompt, left_out = _span(
        slots, lengths, prompts, row, window, QUERIES, WINDOWED
    )
    first = chunk * CHUNK
    if first >= seen:
        return
    await_previous()
    own = tl.minimum(tl.arange(0, MATRIX_ROWS), QUERIES - 1)
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, TILE)
    query_offset = (row * QUERIES + own) * query_stride + head * WIDTH
    query = tl.load(queries + query_offset[:, None] + channel[None, :])
    newest = cached + own
    if SCALED:
        # Eight-bit numbers convert to float16 fastest.
        query = query.to(tl.float16)

    peak = tl.full([MATRIX_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([MATRIX_ROWS], tl.float32)
    result = tl.zeros([MATRIX_ROWS, WIDTH], tl.float32)
    for begin in tl.range(first, tl.minimum(first + CHUNK, seen), TILE, num_stages=STAGES):
        order = begin + each
        inside = order < seen
        if WINDOWED:
            position = tl.where(order < prompt, order, order + left_out)
            block = tl.load(
                blocks + slot * max_blocks + position // BLOCK_SIZE, mask=inside, other=0
            )
            cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + position % BLOCK_SIZE
        else:
            position = order
            block = tl.load(blocks + slot * max_blocks + begin // BLOCK_SIZE)
            cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + begin % BLOCK_SIZE + each
        cells = cell[:, None] * WIDTH + channel[None, :]
        key = tl.load(keys + cells).to(query.dtype)
        score = tl.dot(query, tl.trans(key), input_precision="ieee") * factor
        if SCALED:
            score *= tl.load(key_scales + cell)[None, :]
        visible = position[None, :] <= newest[:, None]
        if WINDOWED:
            recent = position[None, :] > newest[:, None] - window
            visible &= recent | (position < prompt)[None, :]
        score = tl.where(visible, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, 1))
        # A draft may see nothing of the last chunk.
        level = tl.where(new_peak == float("-inf"), 0.0, new_peak)
        weight = tl.exp2(score - level[:, None])
        shrink = tl.exp2(peak - level)
        total = total * shrink + tl.sum(weight, 1)
        if SCALED:
            # The factor keeps the weights in the range of float16; the end divides by it.
            weight *= LARGEST * tl.load(value_scales + cell)[None, :]
        value = tl.load(values + cells).to(query.dtype)
        result = result * shrink[:, None]
        result += tl.dot(weight.to(query.dtype), value, input_precision="ieee")
        peak = new_peak

    is_query = tl.arange(0, MATRIX_ROWS) < QUERIES
    part = ((row * QUERIES + own) * heads + head) * chunks + chunk
    total = tl.where(peak == float("-inf"), 1.0, total)
    result = result / total[:, None]
    if SCALED:
        result = result / LARGEST
    tl.store(parts + part[:, None] * WIDTH + channel[None, :], result, mask=is_query[:, None])
    tl.store(weights + part, peak + tl.log2(total), mask=is_query)


@triton.jit
def _attend_chunk_singly(
    queries,
    keys,
    values,
    key_scales,
    value_scales,
    slots,
    lengths,
    prompts,
    blocks,
    parts,
    weights,
    factor,
    query_stride,
    heads,
    window,
    max_blocks,
    chunks,
    WIDTH: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    WINDOWED: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Attend with one query a row over an fp8 cache; converting for matrix units takes longer."""
    row = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    chunk = tl.program_id(1)
    slot, _cached, seen, prompt, left_out = _span(slots, lengths, prompts, row, window, 1, WINDOWED)
    first = chunk * CHUNK
    if first >= seen:
        return
    await_previous()
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, TILE)
    query = tl.load(queries + row * query_stride + head * WIDTH + channel).to(tl.float32) * factor
    peak = float("-inf")
    total = tl.zeros([TILE], tl.float32)
    result = tl.zeros([TILE, WIDTH], tl.float32)
    for begin in tl.range(first, tl.minimum(first + CHUNK, seen), TILE, num_stages=STAGES):
        order = begin + each
        inside = order < seen
        if WINDOWED:
            position = tl.where(order < prompt, order, order + left_out)
            block = tl.load(
                blocks + slot * max_blocks + position // BLOCK_SIZE, mask=inside, other=0
            )
            cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + position % BLOCK_SIZE
        else:
            block = tl.load(blocks + slot * max_blocks + begin // BLOCK_SIZE)
            cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + begin % BLOCK_SIZE + each
        cells = cell[:, None] * WIDTH + channel[None, :]
        key = tl.load(keys + cells)
        score = tl.sum(key.to(tl.float32) * query[None, :], 1)
        score *= tl.load(key_scales + cell)
        score = tl.where(inside, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, 0))
        if new_peak > peak:
            shrink = tl.exp2(peak - new_peak)
            total *= shrink
            result *= shrink
            peak = new_peak
        weight = tl.exp2(score - peak)
        total += weight
        weight *= tl.load(value_scales + cell)
        value = tl.load(values + cells)
        result += weight[:, None] * value.to(tl.float32)
    total_sum = tl.sum(total, 0)
    part = (row * heads + head) * chunks + chunk
    tl.store(parts + part * WIDTH + channel, tl.sum(result, 0) / total_sum)
    tl.store(weights + part, peak + tl.log2(total_sum))


@triton.jit
def _join_chunks(
    parts,
    weights,
    joined,
    slots,
    lengths,
    prompts,
    heads,
    window,
    chunks,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    AT_ONCE: tl.constexpr,
    WINDOWED: tl.constexpr,
):
    query = tl.program_id(0)
    head = tl.program_id(1)
    _slot, _cached, seen, _prompt, _left_out = _span(
        slots, lengths, prompts, query // QUERIES, window, QUERIES, WINDOWED
    )
    await_previous()
    used = tl.cdiv(seen, CHUNK)
    channel = tl.arange(0, WIDTH)
    start = (query * heads + head) * chunks
    peak = float("-inf")
    total = 0.0
    result = tl.zeros([WIDTH], tl.float32)
    for begin in range(0, used, AT_ONCE):
        chunk = begin + tl.arange(0, AT_ONCE)
        inside = chunk < used
        weight = tl.load(weights + start + chunk, mask=inside, other=float("-inf"))
        cells = (start + chunk)[:, None] * WIDTH + channel[None, :]
        part = tl.load(parts + cells, mask=inside[:, None], other=0.0)
        new_peak = tl.maximum(peak, tl.max(weight, 0))
        share = tl.exp2(weight - new_peak)
        shrink = tl.exp2(peak - new_peak)
        total = total * shrink + tl.sum(share, 0)
        result = result * shrink + tl.sum(part * share[:, None], 0)
        peak = new_peak
    target = joined + (query * heads + head) * WIDTH + channel
    tl.store(target, (result / total).to(joined.dtype.element_ty))


def attend(
    queries: Tensor, rows: StepRows, state: Slots, cache: LayerCache, window: int | None
) -> Tensor:
    """See :meth:`.ops.Ops.attend`."""
    heads, width = cache.keys.shape[1], cache.keys.shape[3]
    count = len(rows.slots)
    single = cache.key_scales is not None and rows.queries == 1
    tuning = attention_tuning(count * heads, single=single)
    chunks = triton.cdiv(state.history.shape[1], tuning.chunk)
    parts = torch.empty(
        (len(queries), heads, chunks, width), dtype=torch.float32, device=queries.device
    )
    weights = torch.empty(parts.shape[:-1], dtype=torch.float32, device=queries.device)
    common = {"WIDTH": width, "CHUNK": tuning.chunk, "WINDOWED": window is not None}
    arguments = (
        queries,
        cache.keys,
        cache.values,
        cache.key_scales,
        cache.value_scales,
        rows.slots,
        state.lengths,
        state.prompts,
        state.block_table,
        parts,
        weights,
        width**-0.5 * LOG2_E,
        queries.stride(0),
        heads,
        window or 0,
        state.block_table.shape[1],
        chunks,
    )
    grid = (count * heads, chunks)
    if single:
        launch(
            _attend_chunk_singly,
            grid,
            *arguments,
            rows=len(queries),
            TILE=tuning.tile,
            BLOCK_SIZE=BLOCK_SIZE,
            STAGES=tuning.stages,
            num_warps=tuning.warps,
            **common,
        )
    else:
        launch(
            _attend_chunk,
            grid,
            *arguments,
            rows=len(queries),
            QUERIES=rows.queries,
            TILE=tuning.tile,
            BLOCK_SIZE=BLOCK_SIZE,
            MATRIX_ROWS=ROWS,
            LARGEST=LARGEST_E4M3,
            SCALED=cache.key_scales is not None,
            STAGES=tuning.stages,
            num_warps=tuning.warps,
            **common,
        )
    joined = torch.empty(queries.shape, dtype=queries.dtype, device=queries.device)
    launch(
        _join_chunks,
        (len(queries), heads),
        parts,
        weights,
        joined,
        rows.slots,
        state.lengths,
        state.prompts,
        heads,
        window or 0,
        chunks,
        rows=len(queries),
        QUERIES=rows.queries,
        AT_ONCE=tuning.joined,
        num_warps=tuning.joined // 4,
        **common,
    )
    return joined
