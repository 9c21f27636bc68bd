"""Resamples one axis of a picture in Pillow's integer arithmetic."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["resample"]

BLOCK = 1024

LEAST_TAPS = 8
"""Fewest taps of the compiled kernel: enough for pages that grow, or shrink to half at most, as
most do."""


# One kernel serves pages of all sizes: no page may wait for a compiler.
@triton.jit(do_not_specialize=["inputs", "outputs", "inner", "taps"])
def _resample(
    values,
    first,
    weights,
    result,
    inputs,
    outputs,
    inner,
    taps,
    MOST_TAPS: tl.constexpr,
    FRACTION_BITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    outer = tl.program_id(1).to(tl.int64)
    offset = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offset < outputs * inner
    output = tl.where(inside, offset // inner, 0)
    lane = offset % inner
    start = tl.load(first + output)
    total = tl.full([BLOCK], 1 << (FRACTION_BITS - 1), tl.int32)
    for tap in range(MOST_TAPS):
        source = start + tap
        weight = tl.load(weights + output * taps + tap, mask=tap < taps, other=0)
        value = tl.load(
            values + outer * inputs * inner + source * inner + lane,
            mask=inside & (source < inputs),
            other=0,
        )
        total += value.to(tl.int32) * weight
    byte = tl.minimum(tl.maximum(total >> FRACTION_BITS, 0), 255)
    tl.store(result + outer * outputs * inner + offset, byte.to(tl.uint8), mask=inside)


def resample(values: Tensor, first: Tensor, weights: Tensor, *, fraction_bits: int) -> Tensor:
    """See :func:`.preprocessing.resample`; ``first`` and ``weights`` are those of its filter.

    ``values`` and ``weights`` must be contiguous.
    """
    outer, inputs, inner = values.shape
    outputs, taps = weights.shape
    result = values.new_empty(outer, outputs, inner)
    launch(
        _resample,
        (triton.cdiv(outputs * inner, BLOCK), outer),
        values,
        first,
        weights,
        result,
        inputs,
        outputs,
        inner,
        taps,
        MOST_TAPS=max(LEAST_TAPS, triton.next_power_of_2(taps)),
        FRACTION_BITS=fraction_bits,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return result
