"""Computes the attention of many prompts, or views, stored one after the other, in one launch.

This is flash attention (Dao et al., 2023) over tiles of queries. A table says which
prompt a tile belongs to, so that prompts of any lengths need no padding.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ops import QUERY_TILE
from .launching import launch

__all__ = ["attend_prompts"]

LOG2_E = 1.4426950408889634


@triton.jit
def _attend_prompts(
    qkv,
    tiles,
    result,
    factor,
    heads,
    WIDTH: tl.constexpr,
    FILLED_UP: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    CAUSAL: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Compute one head of one tile of queries; ``FILLED_UP`` is its width or the next power of two."""
    tile = tiles + tl.program_id(0) * 3
    head = tl.program_id(1)
    start = tl.load(tile).to(tl.int64)
    first = tl.load(tile + 1)
    length = tl.load(tile + 2)
    if first >= length:
        return
    stride = 3 * heads * WIDTH
    channel = tl.arange(0, FILLED_UP)
    known = (channel < WIDTH)[None, :]
    own = first + tl.arange(0, QUERIES)
    is_query = own < length
    base = qkv + start * stride + head * WIDTH
    query = tl.load(
        base + own[:, None] * stride + channel[None, :], mask=is_query[:, None] & known, other=0.0
    )
    peak = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    mixed = tl.zeros([QUERIES, FILLED_UP], tl.float32)
    each = tl.arange(0, KEYS)
    end = first + QUERIES if CAUSAL else length
    for begin in tl.range(0, end, KEYS, num_stages=STAGES):
        position = begin + each
        inside = (position < length)[:, None] & known
        cells = base + position[:, None] * stride + channel[None, :]
        key = tl.load(cells + heads * WIDTH, mask=inside, other=0.0)
        value = tl.load(cells + 2 * heads * WIDTH, mask=inside, other=0.0)
        score = tl.dot(query, tl.trans(key), input_precision="ieee") * factor
        # The first key is visible to every query, so no peak stays infinite.
        last = own[:, None] if CAUSAL else length - 1
        score = tl.where(position[None, :] <= last, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, 1))
        weight = tl.exp2(score - new_peak[:, None])
        shrink = tl.exp2(peak - new_peak)
        total = total * shrink + tl.sum(weight, 1)
        mixed = mixed * shrink[:, None]
        mixed += tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        peak = new_peak
    mixed = mixed / total[:, None]
    target = result + (start + own)[:, None] * (heads * WIDTH) + head * WIDTH + channel[None, :]
    tl.store(target, mixed.to(result.dtype.element_ty), mask=is_query[:, None] & known)


def attend_prompts(qkv: Tensor, tiles: Tensor, heads: int, *, causal: bool = True) -> Tensor:
    """See :meth:`.ops.Ops.attend_prompts`; if not ``causal``, each query sees its whole prompt."""
    tokens, channels = qkv.shape
    width = channels // 3 // heads
    # Zeros, because no tile writes the padding after the prompts.
    result = torch.zeros(tokens, heads * width, dtype=qkv.dtype, device=qkv.device)
    is_wide = qkv.dtype == torch.float32
    launch(
        _attend_prompts,
        (len(tiles), heads),
        qkv,
        tiles,
        result,
        width**-0.5 * LOG2_E,
        heads,
        WIDTH=width,
        FILLED_UP=max(16, triton.next_power_of_2(width)),
        QUERIES=QUERY_TILE,
        KEYS=32 if is_wide else 64,
        CAUSAL=causal,
        STAGES=1 if is_wide else 3,
        num_warps=4,
    )
    return result
