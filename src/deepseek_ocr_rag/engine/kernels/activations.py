"""Computes activations of the vision towers in one pass: in place, or rounded to fp8."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["gelu_in_fp8", "quick_gelu"]

BLOCK = 2048

LARGEST = torch.finfo(torch.float8_e4m3fn).max


@triton.jit
def _upper_tail(size):
    """Compute the tail of the normal distribution beyond ``size`` >= 0, to within 7.5e-8.

    Source: Abramowitz and Stegun 1964, 7.1.26, with the factors folded into the constants.
    The exact error function needs half again as many instructions, and would make the
    kernel wait on arithmetic instead of memory.
    """
    part = 1.0 / (1.0 + 0.2316418882 * size)
    series = 0.5307027145 * part - 0.7265760135
    series = series * part + 0.7107068705
    series = series * part - 0.142248368
    series = series * part + 0.127414796
    # exp(-size * size / 2) as a power of two.
    return series * part * tl.exp2(size * size * -0.7213475204444817)


@triton.jit
def _gelu(value):
    size = tl.abs(value)
    return tl.maximum(value, 0.0) - size * _upper_tail(size)


@triton.jit
def _quick_gelu(values, count, BLOCK: tl.constexpr):
    offset = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offset < count
    value = tl.load(values + offset, mask=inside, other=0.0).to(tl.float32)
    result = value * tl.sigmoid(1.702 * value)
    tl.store(values + offset, result.to(values.dtype.element_ty), mask=inside)


def quick_gelu(values: Tensor) -> Tensor:
    """See :func:`.pointwise.quick_gelu`; overwrites its argument."""
    count = values.numel()
    launch(_quick_gelu, (triton.cdiv(count, BLOCK),), values, count, BLOCK=BLOCK, num_warps=8)
    return values


@triton.jit
def _gelu_in_fp8(values, stored, scales, width, BLOCK: tl.constexpr, LARGEST: tl.constexpr):
    """Compute one row, and round it with a scale of its own."""
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    inside = channel < width
    result = _gelu(tl.load(values + row * width + channel, mask=inside, other=0.0).to(tl.float32))
    peak = tl.maximum(tl.max(tl.abs(result), 0), 1e-12)
    # One division for the row: one for each number would keep the kernel from being bound by memory.
    eight = (result * (LARGEST / peak)).to(stored.dtype.element_ty)
    tl.store(stored + row * width + channel, eight, mask=inside)
    tl.store(scales + row, peak / LARGEST)


def gelu_in_fp8(values: Tensor) -> tuple[Tensor, Tensor]:
    """Compute ``x * Phi(x)`` of contiguous ``(..., width)``, rounded with a scale for each row.

    Returns fp8, ``(..., width)``, and float32, ``(..., 1)``.
    """
    *rows, width = values.shape
    stored = torch.empty_like(values, dtype=torch.float8_e4m3fn)
    scales = torch.empty(*rows, 1, dtype=torch.float32, device=values.device)
    launch(
        _gelu_in_fp8,
        (scales.numel(),),
        values,
        stored,
        scales,
        width,
        BLOCK=triton.next_power_of_2(width),
        LARGEST=LARGEST,
        num_warps=4,
    )
    return stored, scales
