"""Norms the sum of a residual stream and what is added to it: in the decoder, and in the towers."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..weights.tensors import LayerNorm
from .launching import await_previous, launch

__all__ = ["add_rms_norm", "layer_norm", "layer_norm_in_fp8"]


@triton.jit
def _add_rms_norm(
    residual, update, weight, normed, width, epsilon, PARTS: tl.constexpr, BLOCK: tl.constexpr
):
    token = tl.program_id(0)
    channel = tl.arange(0, BLOCK)
    inside = channel < width
    factor = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    await_previous()
    value = tl.load(residual + token * width + channel, mask=inside, other=0.0)
    if PARTS > 0:
        for part in tl.static_range(PARTS):
            offset = (token * PARTS + part) * width + channel
            value += tl.load(update + offset, mask=inside, other=0.0).to(tl.float32)
        tl.store(residual + token * width + channel, value, mask=inside)
    mean_square = tl.sum(value * value, 0) / width
    result = value * tl.rsqrt(mean_square + epsilon) * factor
    tl.store(normed + token * width + channel, result.to(normed.dtype.element_ty), mask=inside)


def add_rms_norm(residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float) -> Tensor:
    """See :meth:`.ops.Ops.add_norm`."""
    tokens, width = residual.shape
    normed = torch.empty(tokens, width, dtype=weight.dtype, device=weight.device)
    parts = 0 if update is None else update.shape[1]
    given = residual if update is None else update.contiguous()
    launch(
        _add_rms_norm,
        (tokens,),
        residual,
        given,
        weight,
        normed,
        width,
        epsilon,
        # The first norm of a step waits for all that was launched before it, so that the kernels
        # after it may read the tokens' positions before they wait.
        rows=None if update is None else tokens,
        PARTS=parts,
        BLOCK=triton.next_power_of_2(width),
        num_warps=4,
    )
    return normed


@triton.jit
def _layer_norm(
    values,
    lacking,
    weight,
    bias,
    normed,
    scales,
    rows,
    width,
    epsilon,
    LACKING: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    LARGEST: tl.constexpr,
):
    """Norm some rows, and round them with a scale for each if ``LARGEST`` is above 0."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    known = channel < width
    inside = (row < rows)[:, None] & known[None, :]
    offset = row.to(tl.int64)[:, None] * width + channel[None, :]
    value = tl.load(values + offset, mask=inside, other=0.0).to(tl.float32)
    if LACKING:
        value += tl.load(lacking + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    mean = tl.sum(value, 1) / width
    centred = tl.where(known[None, :], value - mean[:, None], 0.0)
    spread = tl.rsqrt(tl.sum(centred * centred, 1) / width + epsilon)
    factor = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    shift = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    result = centred * spread[:, None] * factor[None, :] + shift[None, :]
    if LARGEST > 0:
        peak = tl.maximum(tl.max(tl.abs(result), 1), 1e-12)
        tl.store(scales + row, peak / LARGEST, mask=row < rows)
        result = result * (LARGEST / peak)[:, None]
    tl.store(normed + offset, result.to(normed.dtype.element_ty), mask=inside)


def layer_norm(values: Tensor, lacking: Tensor | None, norm: LayerNorm) -> Tensor:
    """See :func:`.pointwise.layer_norm`; ``values`` must be contiguous."""
    normed = torch.empty_like(values)
    _launch_layer_norm(values, lacking, norm, normed, None)
    return normed


def layer_norm_in_fp8(
    values: Tensor, lacking: Tensor | None, norm: LayerNorm
) -> tuple[Tensor, Tensor]:
    """Norm likewise, and round each row with a scale of its own.

    Returns the norm in fp8, and its scales, float32, ``(..., 1)``.
    """
    normed = torch.empty_like(values, dtype=torch.float8_e4m3fn)
    scales = torch.empty(*values.shape[:-1], 1, dtype=torch.float32, device=values.device)
    _launch_layer_norm(values, lacking, norm, normed, scales)
    return normed, scales


def _launch_layer_norm(
    values: Tensor, lacking: Tensor | None, norm: LayerNorm, normed: Tensor, scales: Tensor | None
) -> None:
    width = values.shape[-1]
    rows = values.numel() // width
    block = triton.next_power_of_2(width)
    at_once = max(1, 4096 // block)
    launch(
        _layer_norm,
        (triton.cdiv(rows, at_once),),
        values,
        norm.weight if lacking is None else lacking,
        norm.weight,
        norm.bias,
        normed,
        norm.weight if scales is None else scales,
        rows,
        width,
        norm.epsilon,
        LACKING=lacking is not None,
        ROWS=at_once,
        BLOCK=block,
        LARGEST=0.0 if scales is None else torch.finfo(normed.dtype).max,
        num_warps=4,
    )
