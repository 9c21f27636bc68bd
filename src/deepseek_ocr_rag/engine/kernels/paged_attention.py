"""Computes the attention of a decode step: few queries over a long cached context, read once.

The context of a sequence is split into chunks that are read in parallel (flash decoding: Dao et al.,
2023). Queries are padded to the 16 rows that a matrix unit takes, which costs nothing, because the
step waits on memory.

A token without drafts is rotated by the kernel that attends. The program of the first chunk stores
it and attends to it, and the program that ends last joins the chunks. For tokens with drafts,
separate kernels rotate and store them and join the chunks.

Blocks are read whole, even the one in which a sequence ends: the cache holds only
finite numbers, and those after the end have a weight of 0.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..block_pool import BLOCK_SIZE
from ..kv_cache import LARGEST_STORED, LayerCache
from ..ops import Places, StepRows
from ..slots import Slots
from .attention_chunks import hand_in, join, span
from .block_sizes import attention_tuning
from .launching import await_previous, launch
from .rotary import LARGEST_E4M3, newest_token, rotate_and_store

__all__ = ["attend"]

ROWS = 16
"""Rows of a matrix unit."""

LOG2_E = 1.4426950408889634


@triton.jit
def _attend_chunk(
    qkv,
    angles,
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
    joined,
    arrivals,
    factor,
    heads,
    window,
    max_blocks,
    most_positions,
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
    STORED: tl.constexpr,
    AT_ONCE: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    chunk = tl.program_id(1)
    fused: tl.constexpr = QUERIES == 1
    slot, cached, seen, prompt, left_out = span(
        slots, lengths, prompts, row, window, 0 if fused else QUERIES, WINDOWED
    )
    used = tl.maximum(tl.cdiv(seen, CHUNK), 1)
    if chunk >= used:
        return
    first = chunk * CHUNK
    own = tl.minimum(tl.arange(0, MATRIX_ROWS), QUERIES - 1)
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, TILE)
    if fused:
        query, own_key, own_value = newest_token(
            qkv,
            angles,
            blocks,
            keys,
            values,
            key_scales,
            value_scales,
            row,
            slot,
            cached,
            head,
            heads,
            max_blocks,
            most_positions,
            chunk == 0,
            LARGEST,
            WIDTH // 2,
            BLOCK_SIZE,
            SCALED,
            STORED,
        )
        # The newest token belongs to the first chunk.
        is_first = chunk == 0
        peak = tl.zeros([MATRIX_ROWS], tl.float32)
        peak += tl.where(is_first, tl.sum(query * own_key, 0) * factor, float("-inf"))
        total = tl.zeros([MATRIX_ROWS], tl.float32) + tl.where(is_first, 1.0, 0.0)
        result = tl.zeros([MATRIX_ROWS, WIDTH], tl.float32)
        result += tl.where(is_first, own_value, 0.0)[None, :]
        query = tl.zeros([MATRIX_ROWS, WIDTH], tl.float32) + query[None, :]
        query = query.to(qkv.dtype.element_ty)
    else:
        await_previous()
        query_offset = (row * QUERIES + own) * (3 * heads * WIDTH) + head * WIDTH
        query = tl.load(qkv + query_offset[:, None] + channel[None, :])
        peak = tl.full([MATRIX_ROWS], float("-inf"), tl.float32)
        total = tl.zeros([MATRIX_ROWS], tl.float32)
        result = tl.zeros([MATRIX_ROWS, WIDTH], tl.float32)
    newest = cached + own
    if SCALED:
        # Eight-bit numbers convert to float16 fastest.
        query = query.to(tl.float16)

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
        # Without drafts, all that the cache holds is visible.
        visible = inside[None, :] if fused else position[None, :] <= newest[:, None]
        if WINDOWED and not fused:
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

    if fused:
        hand_in(
            result / total[:, None],
            peak + tl.log2(total),
            parts,
            weights,
            joined,
            arrivals,
            row * heads + head,
            chunk,
            chunks,
            used,
            MATRIX_ROWS,
            WIDTH,
            AT_ONCE,
        )
    else:
        is_query = tl.arange(0, MATRIX_ROWS) < QUERIES
        part = ((row * QUERIES + own) * heads + head) * chunks + chunk
        total = tl.where(peak == float("-inf"), 1.0, total)
        result = result / total[:, None]
        if SCALED:
            result = result / LARGEST
        cells = part[:, None] * WIDTH + channel[None, :]
        tl.store(parts + cells, result, mask=is_query[:, None])
        tl.store(weights + part, peak + tl.log2(total), mask=is_query)


@triton.jit
def _attend_chunk_singly(
    qkv,
    angles,
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
    joined,
    arrivals,
    factor,
    heads,
    window,
    max_blocks,
    most_positions,
    chunks,
    WIDTH: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    LARGEST: tl.constexpr,
    WINDOWED: tl.constexpr,
    STORED: tl.constexpr,
    AT_ONCE: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Attend with one query a row over an fp8 cache; converting for matrix units takes longer."""
    row = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    chunk = tl.program_id(1)
    slot, cached, seen, prompt, left_out = span(slots, lengths, prompts, row, window, 0, WINDOWED)
    used = tl.maximum(tl.cdiv(seen, CHUNK), 1)
    if chunk >= used:
        return
    first = chunk * CHUNK
    query, own_key, own_value = newest_token(
        qkv,
        angles,
        blocks,
        keys,
        values,
        key_scales,
        value_scales,
        row,
        slot,
        cached,
        head,
        heads,
        max_blocks,
        most_positions,
        chunk == 0,
        LARGEST,
        WIDTH // 2,
        BLOCK_SIZE,
        True,
        STORED,
    )
    query *= factor
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, TILE)
    # The newest token belongs to the first chunk.
    is_newest = (each == 0) & (chunk == 0)
    peak = tl.where(chunk == 0, tl.sum(query * own_key, 0), float("-inf"))
    total = tl.where(is_newest, 1.0, 0.0)
    result = tl.where(is_newest[:, None], own_value[None, :], 0.0)
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
        score = tl.sum(tl.load(keys + cells).to(tl.float32) * query[None, :], 1)
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
        result += weight[:, None] * tl.load(values + cells).to(tl.float32)
    sum_of_all = tl.sum(total, 0)
    hand_in(
        (tl.sum(result, 0) / sum_of_all)[None, :],
        tl.zeros([1], tl.float32) + (peak + tl.log2(sum_of_all)),
        parts,
        weights,
        joined,
        arrivals,
        row * heads + head,
        chunk,
        chunks,
        used,
        1,
        WIDTH,
        AT_ONCE,
    )


def attend(
    qkv: Tensor,
    places: Places,
    rows: StepRows,
    state: Slots,
    cache: LayerCache,
    window: int | None,
    arrivals: Tensor,
) -> Tensor:
    """See :meth:`.ops.Ops.attend`."""
    heads, width = cache.keys.shape[1], cache.keys.shape[3]
    count, tokens = len(rows.slots), len(qkv)
    is_scaled = cache.key_scales is not None
    single = is_scaled and rows.queries == 1
    tuning = attention_tuning(count * heads, single=single)
    chunks = triton.cdiv(state.history.shape[1], tuning.chunk)
    parts = torch.empty((tokens, heads, chunks, width), dtype=torch.float32, device=qkv.device)
    weights = torch.empty(parts.shape[:-1], dtype=torch.float32, device=qkv.device)
    joined = torch.empty((tokens, heads * width), dtype=qkv.dtype, device=qkv.device)
    if rows.queries > 1:
        rotate_and_store(qkv, places, state, cache)
    constants: dict[str, object] = {}
    if not single:
        constants = {"QUERIES": rows.queries, "MATRIX_ROWS": ROWS, "SCALED": is_scaled}
    launch(
        _attend_chunk_singly if single else _attend_chunk,
        (count * heads, chunks),
        qkv,
        places.angles,
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
        joined,
        arrivals,
        width**-0.5 * LOG2_E,
        heads,
        window or 0,
        state.block_table.shape[1],
        places.angles.shape[1],
        chunks,
        rows=tokens,
        WIDTH=width,
        CHUNK=tuning.chunk,
        TILE=tuning.tile,
        BLOCK_SIZE=BLOCK_SIZE,
        LARGEST=LARGEST_E4M3,
        WINDOWED=window is not None,
        STORED=LARGEST_STORED,
        AT_ONCE=tuning.joined,
        STAGES=tuning.stages,
        num_warps=tuning.warps,
        **constants,
    )
    if rows.queries > 1:
        join(parts, weights, joined, rows, state, window, tuning)
    return joined
