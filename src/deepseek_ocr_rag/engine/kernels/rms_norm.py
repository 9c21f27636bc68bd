"""Adds to the decoder's residual stream and norms it, in one kernel."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launching import await_previous, launch

__all__ = ["add_norm"]


@triton.jit
def _add_norm(
    residual, update, weight, normed, width, epsilon, PARTS: tl.constexpr, BLOCK: tl.constexpr
):
    await_previous()
    token = tl.program_id(0)
    channel = tl.arange(0, BLOCK)
    inside = channel < width
    value = tl.load(residual + token * width + channel, mask=inside, other=0.0)
    if PARTS > 0:
        for part in tl.static_range(PARTS):
            offset = (token * PARTS + part) * width + channel
            value += tl.load(update + offset, mask=inside, other=0.0).to(tl.float32)
        tl.store(residual + token * width + channel, value, mask=inside)
    mean_square = tl.sum(value * value, 0) / width
    factor = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    result = value * tl.rsqrt(mean_square + epsilon) * factor
    tl.store(normed + token * width + channel, result.to(normed.dtype.element_ty), mask=inside)


def add_norm(residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float) -> Tensor:
    """See :meth:`.ops.Ops.add_norm`."""
    tokens, width = residual.shape
    normed = torch.empty(tokens, width, dtype=weight.dtype, device=weight.device)
    parts = 0 if update is None else update.shape[1]
    given = residual if update is None else update.contiguous()
    launch(
        _add_norm,
        (tokens,),
        residual,
        given,
        weight,
        normed,
        width,
        epsilon,
        rows=tokens,
        PARTS=parts,
        BLOCK=triton.next_power_of_2(width),
        num_warps=4,
    )
    return normed
