"""Attention of a decode step: few queries, a long past that is read once.

The past of a sequence is cut into chunks that are read side by side; a second
kernel joins the chunks (flash decoding: Dao et al., 2023). Queries are filled up
to the 16 rows that a matrix unit takes; the step waits on memory all the same.

Blocks are read whole, also where a sequence ends within: the cache holds only
finite numbers, and what stands behind the end has a weight of 0.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..block_pool import PAGE
from ..kv_cache import LayerCache
from ..ops import StepRows
from ..slots import Slots
from .block_sizes import attention_tuning

__all__ = ["attend"]

ROWS = 16
"""Of a matrix unit."""

LOG2_E = 1.4426950408889634

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@triton.jit
def _span(slots, lengths, prompts, row, window, QUERIES: tl.constexpr, WINDOWED: tl.constexpr):
    """Slot, tokens in the cache before this step, tokens that are seen, and those left out.

    What is seen lies together once the tokens between the prompt and the window
    of the first query are left out.
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
    pages,
    parts,
    weights,
    factor,
    query_stride,
    heads,
    window,
    most_pages,
    chunks,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
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
    own = tl.minimum(tl.arange(0, MATRIX_ROWS), QUERIES - 1)
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, BLOCK)
    query_place = (row * QUERIES + own) * query_stride + head * WIDTH
    query = tl.load(queries + query_place[:, None] + channel[None, :])
    newest = cached + own
    if SCALED:
        # Eight bits become sixteen fastest in this type.
        query = query.to(tl.float16)

    peak = tl.full([MATRIX_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([MATRIX_ROWS], tl.float32)
    result = tl.zeros([MATRIX_ROWS, WIDTH], tl.float32)
    for begin in tl.range(first, tl.minimum(first + CHUNK, seen), BLOCK, num_stages=STAGES):
        order = begin + each
        inside = order < seen
        if WINDOWED:
            position = tl.where(order < prompt, order, order + left_out)
            page = tl.load(pages + slot * most_pages + position // PAGE_SIZE, mask=inside, other=0)
            place = (page.to(tl.int64) * heads + head) * PAGE_SIZE + position % PAGE_SIZE
        else:
            position = order
            page = tl.load(pages + slot * most_pages + begin // PAGE_SIZE)
            place = (page.to(tl.int64) * heads + head) * PAGE_SIZE + begin % PAGE_SIZE + each
        cells = place[:, None] * WIDTH + channel[None, :]
        key = tl.load(keys + cells).to(query.dtype)
        score = tl.dot(query, tl.trans(key), input_precision="ieee") * factor
        if SCALED:
            score *= tl.load(key_scales + place)[None, :]
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
            # Times what it is divided by at the end: of the values' size, sixteen bits hold it.
            weight *= LARGEST * tl.load(value_scales + place)[None, :]
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
    pages,
    parts,
    weights,
    factor,
    query_stride,
    heads,
    window,
    most_pages,
    chunks,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    WINDOWED: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One query a row and eight-bit numbers: without matrix units, for which they would have to be moved."""
    row = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    chunk = tl.program_id(1)
    slot, _cached, seen, prompt, left_out = _span(slots, lengths, prompts, row, window, 1, WINDOWED)
    first = chunk * CHUNK
    if first >= seen:
        return
    channel = tl.arange(0, WIDTH)
    each = tl.arange(0, BLOCK)
    query = tl.load(queries + row * query_stride + head * WIDTH + channel).to(tl.float32) * factor
    peak = float("-inf")
    total = tl.zeros([BLOCK], tl.float32)
    result = tl.zeros([BLOCK, WIDTH], tl.float32)
    for begin in tl.range(first, tl.minimum(first + CHUNK, seen), BLOCK, num_stages=STAGES):
        order = begin + each
        inside = order < seen
        if WINDOWED:
            position = tl.where(order < prompt, order, order + left_out)
            page = tl.load(pages + slot * most_pages + position // PAGE_SIZE, mask=inside, other=0)
            place = (page.to(tl.int64) * heads + head) * PAGE_SIZE + position % PAGE_SIZE
        else:
            page = tl.load(pages + slot * most_pages + begin // PAGE_SIZE)
            place = (page.to(tl.int64) * heads + head) * PAGE_SIZE + begin % PAGE_SIZE + each
        cells = place[:, None] * WIDTH + channel[None, :]
        key = tl.load(keys + cells)
        score = tl.sum(key.to(tl.float32) * query[None, :], 1)
        score *= tl.load(key_scales + place)
        score = tl.where(inside, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, 0))
        if new_peak > peak:
            shrink = tl.exp2(peak - new_peak)
            total *= shrink
            result *= shrink
            peak = new_peak
        weight = tl.exp2(score - peak)
        total += weight
        weight *= tl.load(value_scales + place)
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
    queries: Tensor, rows: StepRows, owners: Slots, cache: LayerCache, window: int | None
) -> Tensor:
    """See :meth:`..operations.Ops.attend`."""
    heads, width = cache.keys.shape[1], cache.keys.shape[3]
    count = len(rows.slots)
    single = cache.key_scales is not None and rows.queries == 1
    tuning = attention_tuning(count * heads, single=single)
    chunks = triton.cdiv(owners.history.shape[1], tuning.chunk)
    parts = torch.empty(
        (len(queries), heads, chunks, width), dtype=torch.float32, device=queries.device
    )
    weights = torch.empty(parts.shape[:-1], dtype=torch.float32, device=queries.device)
    common = {
        "WIDTH": width,
        "CHUNK": tuning.chunk,
        "WINDOWED": window is not None,
    }
    arguments = (
        queries,
        cache.keys,
        cache.values,
        cache.key_scales,
        cache.value_scales,
        rows.slots,
        owners.lengths,
        owners.prompts,
        owners.pages,
        parts,
        weights,
        width**-0.5 * LOG2_E,
        queries.stride(0),
        heads,
        window or 0,
        owners.pages.shape[1],
        chunks,
    )
    grid = (count * heads, chunks)
    if single:
        _attend_chunk_singly[grid](
            *arguments,
            BLOCK=tuning.block,
            PAGE_SIZE=PAGE,
            STAGES=tuning.stages,
            num_warps=tuning.warps,
            **common,
        )
    else:
        _attend_chunk[grid](
            *arguments,
            QUERIES=rows.queries,
            BLOCK=tuning.block,
            PAGE_SIZE=PAGE,
            MATRIX_ROWS=ROWS,
            LARGEST=LARGEST_E4M3,
            SCALED=cache.key_scales is not None,
            STAGES=tuning.stages,
            num_warps=tuning.warps,
            **common,
        )
    joined = torch.empty(queries.shape, dtype=queries.dtype, device=queries.device)
    _join_chunks[(len(queries), heads)](
        parts,
        weights,
        joined,
        rows.slots,
        owners.lengths,
        owners.prompts,
        heads,
        window or 0,
        chunks,
        QUERIES=rows.queries,
        AT_ONCE=tuning.joined,
        num_warps=tuning.joined // 4,
        **common,
    )
    return joined
