"""Computes linear layers of few tokens, where reading the weights takes nearly all the time.

As in :mod:`.experts.moe`, the weights are the left operand. A kernel that is launched ahead reads its weights,
which never change, while the kernel before it still runs. With many tokens PyTorch's products are
faster.
"""

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from ..products import float32_product
from ..weights.tensors import Matrix
from .block_sizes import product_tuning
from .launching import CACHE_LINE, await_previous, fetch_ahead, launch, shared_memory

__all__ = ["product"]

MOST_TOKENS: Final = 32
MOST_OUTPUTS: Final = 4096
MOST_INPUTS: Final = 2048
"""Most tokens, and the largest weights in 16 bits, for which several tokens are multiplied here."""

MOST_OUTPUTS_OF_ONE: Final = 16_384
"""Most outputs for which a single token is multiplied here: the head, which has more, takes as long
either way."""

MOST_TOKENS_EIGHT_BITS: Final = 64
"""Most tokens for which weights in eight bits are multiplied here; for more tokens, converting the
weights first costs little."""

SINGLE_BLOCK: Final = 16_384
"""Weights that one program holds at once for a single token."""


@triton.jit
def _product_singly(
    values,
    weight,
    scales,
    result,
    inputs,
    outputs,
    OUTPUTS: tl.constexpr,
    BLOCK: tl.constexpr,
    SCALED: tl.constexpr,
):
    output = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    each = tl.arange(0, BLOCK)
    is_output = output < outputs
    is_input = each < inputs
    cells = output.to(tl.int64)[:, None] * inputs + each[None, :]
    factors = tl.load(weight + cells, mask=is_output[:, None] & is_input[None, :], other=0.0)
    await_previous()
    value = tl.load(values + each, mask=is_input, other=0.0).to(tl.float32)
    total = tl.sum(factors.to(tl.float32) * value[None, :], 1)
    if SCALED:
        total *= tl.load(scales + output, mask=is_output, other=0.0)
    tl.store(result + output, total.to(result.dtype.element_ty), mask=is_output)


@triton.jit(do_not_specialize=["tokens"])
def _product(
    values,
    weight,
    scales,
    result,
    cleared,
    tokens,
    inputs,
    outputs,
    TOKENS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    SCALED: tl.constexpr,
    CLEARED: tl.constexpr,
    LINE: tl.constexpr,
    LINES: tl.constexpr,
    STAGES: tl.constexpr,
):
    output_block = tl.program_id(0)
    first = output_block.to(tl.int64) * OUTPUTS
    place = first * inputs + tl.arange(0, LINES) * LINE
    fetch_ahead(weight + tl.minimum(place, outputs.to(tl.int64) * inputs - 1))
    await_previous()
    output = first + tl.arange(0, OUTPUTS)
    token = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    is_output = output < outputs
    is_token = token < tokens
    each = tl.arange(0, INPUTS)
    cells = weight + output[:, None] * inputs + each[None, :]
    value_cells = values + token.to(tl.int64)[None, :] * inputs + each[:, None]
    total = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    for begin in tl.range(0, inputs, INPUTS, num_stages=STAGES):
        inside = begin + each < inputs
        factors = tl.load(cells + begin, mask=is_output[:, None] & inside[None, :], other=0.0)
        value = tl.load(value_cells + begin, mask=inside[:, None] & is_token[None, :], other=0.0)
        total = tl.dot(factors.to(value.dtype), value, total, input_precision="ieee")
    if SCALED:
        total *= tl.load(scales + output, mask=is_output, other=0.0)[:, None]
    tl.store(
        result + token.to(tl.int64)[None, :] * outputs + output[:, None],
        total.to(result.dtype.element_ty),
        mask=is_token[None, :] & is_output[:, None],
    )
    if CLEARED > 0:
        # By the first program.
        place = tl.arange(0, CLEARED)
        tl.store(cleared + place, tl.zeros_like(place), mask=place + output_block == place)


def product(
    values: Tensor, matrix: Matrix, *, exact: bool = False, cleared: Tensor | None = None
) -> Tensor:
    """See :meth:`.ops.Ops.product`; ``cleared`` (int32, its length a power of two) is set to 0."""
    tokens, inputs = values.shape
    values = values.contiguous()
    has_kernel = _has_kernel(tokens, matrix)
    if cleared is not None and (tokens == 1 or not has_kernel):
        cleared.zero_()
    if not has_kernel:
        weight = matrix.weight
        if matrix.scales is not None:
            weight = (weight.to(values.dtype) * matrix.scales[:, None]).to(values.dtype)
        return float32_product(values, weight) if exact else functional.linear(values, weight)
    if tokens == 1:
        return _of_one(values, matrix, exact)
    weight, outputs = matrix.weight, len(matrix.weight)
    result = values.new_empty(tokens, outputs, dtype=torch.float32 if exact else values.dtype)
    is_stored = matrix.scales is not None
    tuning = product_tuning(tokens, values.dtype, shared_memory(), eight_bits=is_stored)
    line = CACHE_LINE // weight.element_size()
    lines = triton.next_power_of_2(triton.cdiv(tuning.outputs * inputs, line))
    launch(
        _product,
        (triton.cdiv(outputs, tuning.outputs), triton.cdiv(tokens, tuning.tokens)),
        values,
        weight,
        matrix.scales,
        result,
        cleared,
        tokens,
        inputs,
        outputs,
        rows=tokens,
        TOKENS=tuning.tokens,
        OUTPUTS=tuning.outputs,
        INPUTS=tuning.inputs,
        SCALED=is_stored,
        CLEARED=0 if cleared is None else len(cleared),
        LINE=line,
        LINES=lines,
        STAGES=tuning.stages,
        num_warps=tuning.warps,
    )
    return result


def _has_kernel(tokens: int, matrix: Matrix) -> bool:
    """Return whether a kernel here is faster than PyTorch's product."""
    if matrix.scales is not None:
        return tokens <= MOST_TOKENS_EIGHT_BITS
    outputs, inputs = matrix.weight.shape
    if tokens == 1:
        return outputs <= MOST_OUTPUTS_OF_ONE
    return tokens <= MOST_TOKENS and outputs <= MOST_OUTPUTS and inputs <= MOST_INPUTS


def _of_one(values: Tensor, matrix: Matrix, exact: bool) -> Tensor:
    outputs, inputs = matrix.weight.shape
    result = values.new_empty(1, outputs, dtype=torch.float32 if exact else values.dtype)
    block = triton.next_power_of_2(inputs)
    at_once = max(1, min(8, SINGLE_BLOCK // block))
    launch(
        _product_singly,
        (triton.cdiv(outputs, at_once),),
        values,
        matrix.weight,
        matrix.scales,
        result,
        inputs,
        outputs,
        rows=1,
        OUTPUTS=at_once,
        BLOCK=block,
        SCALED=matrix.scales is not None,
        num_warps=4,
    )
    return result
