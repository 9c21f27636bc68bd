"""Applies rotary positions to queries and keys, and writes keys and values to the cache."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..block_pool import BLOCK_SIZE
from ..kv_cache import LARGEST_STORED, LayerCache
from ..slots import Slots
from .launching import await_previous, launch

__all__ = ["rotate_and_store"]

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@triton.jit
def _storable(value, LARGEST: tl.constexpr):
    value = tl.where(value == value, value, 0.0)
    return tl.minimum(tl.maximum(value, -LARGEST), LARGEST)


@triton.jit
def _store(
    stored,
    scales,
    cell,
    first,
    second,
    LARGEST: tl.constexpr,
    HALF: tl.constexpr,
    SCALED: tl.constexpr,
):
    """Write the two halves of a head's key or value to its cell of the cache."""
    channel = tl.arange(0, HALF)
    if SCALED:
        first = first.to(tl.float32)
        second = second.to(tl.float32)
        peak = tl.maximum(tl.max(tl.abs(first), 0), tl.max(tl.abs(second), 0))
        scale = tl.maximum(peak, 1e-12) / LARGEST
        tl.store(scales + cell, scale)
        first = first / scale
        second = second / scale
    target = stored + cell * (2 * HALF) + channel
    tl.store(target, first.to(stored.dtype.element_ty))
    tl.store(target + HALF, second.to(stored.dtype.element_ty))


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
    HALF: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    SCALED: tl.constexpr,
    STORED: tl.constexpr,
):
    token = tl.program_id(0)
    head = tl.program_id(1)
    channel = tl.arange(0, HALF)
    position = tl.load(positions + token)
    block = tl.load(blocks + tl.load(slots + token) * max_blocks + position // BLOCK_SIZE)
    cell = (block.to(tl.int64) * heads + head) * BLOCK_SIZE + position % BLOCK_SIZE
    cosine = tl.load(angles + position * HALF + channel)
    sine = tl.load(angles + (most_positions + position) * HALF + channel)
    await_previous()

    width = heads * 2 * HALF
    query = qkv + token.to(tl.int64) * 3 * width + head * 2 * HALF + channel
    key = query + width
    first = tl.load(query).to(tl.float32)
    second = tl.load(query + HALF).to(tl.float32)
    tl.store(query, (first * cosine - second * sine).to(qkv.dtype.element_ty))
    tl.store(query + HALF, (second * cosine + first * sine).to(qkv.dtype.element_ty))
    first = tl.load(key).to(tl.float32)
    second = tl.load(key + HALF).to(tl.float32)
    turned_first = _storable(first * cosine - second * sine, STORED).to(qkv.dtype.element_ty)
    turned_second = _storable(second * cosine + first * sine, STORED).to(qkv.dtype.element_ty)
    tl.store(key, turned_first)
    tl.store(key + HALF, turned_second)
    _store(keys, key_scales, cell, turned_first, turned_second, LARGEST, HALF, SCALED)
    first = _storable(tl.load(key + width).to(tl.float32), STORED).to(qkv.dtype.element_ty)
    second = _storable(tl.load(key + width + HALF).to(tl.float32), STORED)
    second = second.to(qkv.dtype.element_ty)
    _store(values, value_scales, cell, first, second, LARGEST, HALF, SCALED)


def rotate_and_store(
    qkv: Tensor, angles: Tensor, positions: Tensor, slots: Tensor, state: Slots, cache: LayerCache
) -> Tensor:
    """See :meth:`.ops.Ops.rotate_and_store`."""
    heads, head_width = cache.keys.shape[1], cache.keys.shape[3]
    launch(
        _rotate_and_store,
        (len(qkv), heads),
        qkv,
        angles,
        positions,
        slots,
        state.block_table,
        cache.keys,
        cache.values,
        cache.key_scales,
        cache.value_scales,
        heads,
        state.block_table.shape[1],
        angles.shape[1],
        rows=len(qkv),
        LARGEST=LARGEST_E4M3,
        HALF=head_width // 2,
        BLOCK_SIZE=BLOCK_SIZE,
        SCALED=cache.key_scales is not None,
        STORED=LARGEST_STORED,
        num_warps=1,
    )
    return qkv[:, : heads * head_width]
