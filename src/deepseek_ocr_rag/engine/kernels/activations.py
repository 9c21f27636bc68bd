"""Computes the activations of the vision towers in place and in one pass."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["gelu", "quick_gelu"]

BLOCK = 2048


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
def _activate(values, count, QUICK: tl.constexpr, BLOCK: tl.constexpr):
    offset = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offset < count
    value = tl.load(values + offset, mask=inside, other=0.0).to(tl.float32)
    if QUICK:
        result = value * tl.sigmoid(1.702 * value)
    else:
        size = tl.abs(value)
        result = tl.maximum(value, 0.0) - size * _upper_tail(size)
    tl.store(values + offset, result.to(values.dtype.element_ty), mask=inside)


def gelu(values: Tensor) -> Tensor:
    """See :func:`.pointwise.gelu`; overwrites its argument."""
    count = values.numel()
    launch(
        _activate,
        (triton.cdiv(count, BLOCK),),
        values,
        count,
        QUICK=False,
        BLOCK=BLOCK,
        num_warps=8,
    )
    return values


def quick_gelu(values: Tensor) -> Tensor:
    """See :func:`.pointwise.quick_gelu`; overwrites its argument."""
    count = values.numel()
    launch(
        _activate, (triton.cdiv(count, BLOCK),), values, count, QUICK=True, BLOCK=BLOCK, num_warps=8
    )
    return values
