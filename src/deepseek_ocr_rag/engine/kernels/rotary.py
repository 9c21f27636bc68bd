"""Applies rotary positions to queries and keys, and writes keys and values to the cache."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..block_pool import BLOCK_SIZE
from ..kv_cache import LARGEST_STORED, LayerCache
from ..ops import Places
from ..slots import Slots
from .launching import await_previous, launch

__all__ = ["LARGEST_E4M3", "newest_token", "rotate_and_store"]

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@triton.jit
def _storable(value, LARGEST: tl.constexpr):
    value = tl.where(value == value, value, 0.0)
    return tl.minimum(tl.maximum(value, -LARGEST), LARGEST)


@triton.jit
def _store(
    stored,
    scales,
    cells,
    first,
    second,
    inside,
    LARGEST: tl.constexpr,
    HALF: tl.constexpr,
    SCALED: tl.constexpr,
):
    """Write the two halves of each head's key or value to its cell of the cache."""
    channel = tl.arange(0, HALF)
    if SCALED:
        first = first.to(tl.float32)
        second = second.to(tl.float32)
        peak = tl.maximum(tl.max(tl.abs(first), 1), tl.max(tl.abs(second), 1))
        scale = tl.maximum(peak, 1e-12) / LARGEST
        tl.store(scales + cells, scale, mask=inside)
        first = first / scale[:, None]
        second = second / scale[:, None]
    target = stored + cells[:, None] * (2 * HALF) + channel[None, :]
    tl.store(target, first.to(stored.dtype.element_ty), mask=inside[:, None])
    tl.store(target + HALF, second.to(stored.dtype.element_ty), mask=inside[:, None])


@triton.jit
def _rotate_and_store(
    qkv,
    angles,
    positions,
    slots,
    blocks,
    keys,
    values,
    key_scales,
    value_scales,
    heads,
    max_blocks,
    most_positions,
    LARGEST: tl.constexpr,
    HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    SCALED: tl.constexpr,
    STORED: tl.constexpr,
):
    """Rotate and store a token, all of its heads at once."""
    token = tl.program_id(0)
    head = tl.arange(0, HEADS)
    inside = head < heads
    is_head = inside[:, None]
    channel = tl.arange(0, HALF)
    position = tl.load(positions + token)
    block = tl.load(blocks + tl.load(slots + token) * max_blocks + position // BLOCK_SIZE)
    cells = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + position % BLOCK_SIZE
    cosine = tl.load(angles + position * HALF + channel)[None, :]
    sine = tl.load(angles + (most_positions + position) * HALF + channel)[None, :]
    await_previous()

    kind = qkv.dtype.element_ty
    width = heads * 2 * HALF
    query = qkv + token.to(tl.int64) * 3 * width + head[:, None] * 2 * HALF + channel[None, :]
    key = query + width
    first = tl.load(query, mask=is_head, other=0.0).to(tl.float32)
    second = tl.load(query + HALF, mask=is_head, other=0.0).to(tl.float32)
    tl.store(query, (first * cosine - second * sine).to(kind), mask=is_head)
    tl.store(query + HALF, (second * cosine + first * sine).to(kind), mask=is_head)
    first = tl.load(key, mask=is_head, other=0.0).to(tl.float32)
    second = tl.load(key + HALF, mask=is_head, other=0.0).to(tl.float32)
    turned_first = _storable(first * cosine - second * sine, STORED).to(kind)
    turned_second = _storable(second * cosine + first * sine, STORED).to(kind)
    tl.store(key, turned_first, mask=is_head)
    tl.store(key + HALF, turned_second, mask=is_head)
    _store(keys, key_scales, cells, turned_first, turned_second, inside, LARGEST, HALF, SCALED)
    value = key + width
    first = _storable(tl.load(value, mask=is_head, other=0.0).to(tl.float32), STORED).to(kind)
    second = _storable(tl.load(value + HALF, mask=is_head, other=0.0).to(tl.float32), STORED)
    _store(values, value_scales, cells, first, second.to(kind), inside, LARGEST, HALF, SCALED)


@triton.jit
def newest_token(
    qkv,
    angles,
    blocks,
    keys,
    values,
    key_scales,
    value_scales,
    row,
    slot,
    position,
    head,
    heads,
    max_blocks,
    most_positions,
    stores,
    LARGEST: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    SCALED: tl.constexpr,
    STORED: tl.constexpr,
):
    """Wait for the kernel before, and rotate a head's query and key of one token.

    A program that ``stores`` also writes its key and value to the cache. Returns query, key and
    value in float32, rounded as if they had been stored and read again.
    """
    channel = tl.arange(0, 2 * HALF)
    partner = (channel + HALF) % (2 * HALF)
    block = tl.load(blocks + slot * max_blocks + position // BLOCK_SIZE)
    cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + position % BLOCK_SIZE
    angle = angles + position * HALF + channel % HALF
    cosine = tl.load(angle)
    sine = tl.load(angle + most_positions * HALF)
    sine = tl.where(channel < HALF, -sine, sine)
    await_previous()

    width = heads * 2 * HALF
    own = qkv + row.to(tl.int64) * 3 * width + head * 2 * HALF
    query = tl.load(own + channel).to(tl.float32) * cosine
    query += tl.load(own + partner).to(tl.float32) * sine
    key = tl.load(own + width + channel).to(tl.float32) * cosine
    key += tl.load(own + width + partner).to(tl.float32) * sine
    value = tl.load(own + 2 * width + channel).to(tl.float32)
    query = query.to(qkv.dtype.element_ty).to(tl.float32)
    key = _storable(key, STORED).to(qkv.dtype.element_ty).to(tl.float32)
    value = _storable(value, STORED).to(qkv.dtype.element_ty).to(tl.float32)
    target = cell * (2 * HALF) + channel
    if SCALED:
        key_scale = tl.maximum(tl.max(tl.abs(key), 0), 1e-12) / LARGEST
        value_scale = tl.maximum(tl.max(tl.abs(value), 0), 1e-12) / LARGEST
        stored_key = (key / key_scale).to(keys.dtype.element_ty)
        stored_value = (value / value_scale).to(values.dtype.element_ty)
        key = stored_key.to(tl.float32) * key_scale
        value = stored_value.to(tl.float32) * value_scale
        if stores:
            tl.store(key_scales + cell, key_scale)
            tl.store(value_scales + cell, value_scale)
            tl.store(keys + target, stored_key)
            tl.store(values + target, stored_value)
    elif stores:
        tl.store(keys + target, key.to(keys.dtype.element_ty))
        tl.store(values + target, value.to(values.dtype.element_ty))
    return query, key, value


def rotate_and_store(qkv: Tensor, places: Places, state: Slots, cache: LayerCache) -> None:
    """See :meth:`.ops.Ops.rotate_and_store`."""
    heads, head_width = cache.keys.shape[1], cache.keys.shape[3]
    launch(
        _rotate_and_store,
        (len(qkv),),
        qkv,
        places.angles,
        places.positions,
        places.slots,
        state.block_table,
        cache.keys,
        cache.values,
        cache.key_scales,
        cache.value_scales,
        heads,
        state.block_table.shape[1],
        places.angles.shape[1],
        rows=len(qkv),
        LARGEST=LARGEST_E4M3,
        HEADS=triton.next_power_of_2(heads),
        HALF=head_width // 2,
        BLOCK_SIZE=BLOCK_SIZE,
        SCALED=cache.key_scales is not None,
        STORED=LARGEST_STORED,
        num_warps=4,
    )
