"""Computes the mixture of experts for a single token, which waits for nothing but the weights.

Each program finds its expert by itself, so that there is no kernel for the routes. Shared experts are
known beforehand: their weights are read while the kernel before still runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from ...weights.tensors import ExpertWeights
from ..launching import CACHE_LINE, await_previous, fetch_ahead, launch

__all__ = ["moe_of_one"]

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@dataclass(frozen=True, slots=True)
class SingleTuning:
    """How one of the products is tiled."""

    outputs: int  # channels of a program
    inputs: int  # channels that are read at once
    warps: int
    stages: int  # blocks that are loaded ahead


# The fastest that were measured on an H200, in 16 and in 8 bits.
GATE_UP: Final = SingleTuning(outputs=4, inputs=256, warps=2, stages=4)
DOWN: Final = SingleTuning(outputs=32, inputs=128, warps=8, stages=3)
GATE_UP_EIGHT_BITS: Final = SingleTuning(outputs=16, inputs=128, warps=4, stages=4)
DOWN_EIGHT_BITS: Final = SingleTuning(outputs=16, inputs=128, warps=2, stages=4)


@triton.jit
def _chosen(
    logits, part, scale, ROUTED: tl.constexpr, EXPERTS: tl.constexpr, PER_TOKEN: tl.constexpr
):
    """Return the expert of a part of the result, and the share that it has."""
    expert = tl.arange(0, EXPERTS)
    logit = tl.load(logits + expert, mask=expert < ROUTED, other=float("-inf"))
    better = (logit[None, :] > logit[:, None]) | (
        (logit[None, :] == logit[:, None]) & (expert[None, :] < expert[:, None])
    )
    is_chosen = tl.sum(better.to(tl.int32), 1) == part
    odds = tl.exp(logit - tl.max(logit, 0))
    share = tl.sum(tl.where(is_chosen, odds, 0.0), 0) / tl.sum(odds, 0) * scale
    # Among NaNs, all or none are chosen: nothing past the last expert is read even then.
    found = tl.minimum(tl.sum(tl.where(is_chosen, expert, 0), 0), ROUTED - 1)
    if part >= PER_TOKEN:
        found = ROUTED + part - PER_TOKEN
        share = 1.0
    return found, share


@triton.jit
def _gate_up_singly(
    values,
    gate_up,
    scales,
    logits,
    inner_values,
    width,
    inner,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    BLOCK: tl.constexpr,
    SCALED: tl.constexpr,
    EIGHT_BIT: tl.constexpr,
    LARGEST: tl.constexpr,
    LINE: tl.constexpr,
    LINES: tl.constexpr,
    STAGES: tl.constexpr,
):
    part = tl.program_id(0)
    first = tl.program_id(1) * OUTPUTS
    matrix = 2 * inner.to(tl.int64) * width
    if part >= PER_TOKEN:
        known = gate_up + (ROUTED + part - PER_TOKEN) * matrix + first * width
        place = tl.minimum(tl.arange(0, LINES) * LINE, OUTPUTS * width - 1)
        fetch_ahead(known + place)
        fetch_ahead(known + inner * width + place)
    await_previous()
    expert, _share = _chosen(logits, part, 1.0, ROUTED, EXPERTS, PER_TOKEN)
    output = first + tl.arange(0, OUTPUTS)
    is_output = output < inner
    each = tl.arange(0, INPUTS)
    gate_cells = gate_up + expert * matrix + output[:, None] * width + each[None, :]
    up_cells = gate_cells + inner * width
    gate = tl.zeros([OUTPUTS, INPUTS], tl.float32)
    up = tl.zeros([OUTPUTS, INPUTS], tl.float32)
    peak = 1.0
    if EIGHT_BIT:
        whole = tl.arange(0, BLOCK)
        all_values = tl.load(values + whole, mask=whole < width, other=0.0).to(tl.float32)
        peak = tl.maximum(tl.max(tl.abs(all_values), 0), 1e-12) / LARGEST
    for begin in tl.range(0, width, INPUTS, num_stages=STAGES):
        is_input = begin + each < width
        inside = is_output[:, None] & is_input[None, :]
        gate_weight = tl.load(gate_cells + begin, mask=inside, other=0.0)
        up_weight = tl.load(up_cells + begin, mask=inside, other=0.0)
        value = tl.load(values + begin + each, mask=is_input, other=0.0).to(tl.float32)
        if EIGHT_BIT:
            value = (value / peak).to(gate_up.dtype.element_ty).to(tl.float32) * peak
        gate += gate_weight.to(tl.float32) * value[None, :]
        up += up_weight.to(tl.float32) * value[None, :]
    gate_sum = tl.sum(gate, 1)
    up_sum = tl.sum(up, 1)
    if SCALED:
        scale = scales + expert * 2 * inner + output
        gate_sum *= tl.load(scale, mask=is_output, other=0.0)
        up_sum *= tl.load(scale + inner, mask=is_output, other=0.0)
    result = gate_sum / (1.0 + tl.exp(-gate_sum)) * up_sum
    target = inner_values + part * inner + output
    tl.store(target, result.to(inner_values.dtype.element_ty), mask=is_output)


@triton.jit
def _down_singly(
    inner_values,
    down,
    scales,
    logits,
    added,
    width,
    inner,
    scale,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    BLOCK: tl.constexpr,
    SCALED: tl.constexpr,
    EIGHT_BIT: tl.constexpr,
    LARGEST: tl.constexpr,
    LINE: tl.constexpr,
    LINES: tl.constexpr,
    STAGES: tl.constexpr,
):
    part = tl.program_id(0)
    first = tl.program_id(1) * OUTPUTS
    matrix = width.to(tl.int64) * inner
    if part >= PER_TOKEN:
        known = down + (ROUTED + part - PER_TOKEN) * matrix + first * inner
        fetch_ahead(known + tl.minimum(tl.arange(0, LINES) * LINE, OUTPUTS * inner - 1))
    await_previous()
    expert, share = _chosen(logits, part, scale, ROUTED, EXPERTS, PER_TOKEN)
    output = first + tl.arange(0, OUTPUTS)
    is_output = output < width
    each = tl.arange(0, INPUTS)
    cells = down + expert * matrix + output[:, None] * inner + each[None, :]
    result = tl.zeros([OUTPUTS, INPUTS], tl.float32)
    value_cells = inner_values + part * inner + each
    peak = 1.0
    if EIGHT_BIT:
        whole = tl.arange(0, BLOCK)
        all_values = tl.load(inner_values + part * inner + whole, mask=whole < inner, other=0.0)
        peak = tl.maximum(tl.max(tl.abs(all_values), 0), 1e-12) / LARGEST
    for begin in tl.range(0, inner, INPUTS, num_stages=STAGES):
        is_input = begin + each < inner
        weight = tl.load(cells + begin, mask=is_output[:, None] & is_input[None, :], other=0.0)
        value = tl.load(value_cells + begin, mask=is_input, other=0.0).to(tl.float32)
        if EIGHT_BIT:
            value = (value / peak).to(down.dtype.element_ty).to(tl.float32) * peak
        result += weight.to(tl.float32) * value[None, :]
    total = tl.sum(result, 1) * share
    if SCALED:
        total *= tl.load(scales + expert * width + output, mask=is_output, other=0.0)
    tl.store(added + part * width + output, total.to(added.dtype.element_ty), mask=is_output)


def moe_of_one(
    values: Tensor, experts: ExpertWeights, logits: Tensor, per_token: int, scale: float
) -> Tensor:
    """Apply the experts to one token whose router's logits are known (float32)."""
    width = values.shape[1]
    routed, count, inner = len(experts.router), len(experts.down), experts.down.shape[2]
    parts = per_token + count - routed
    eight_bit = experts.down.dtype == torch.float8_e4m3fn
    # For experts in fp8 they are rounded when they are read, with a scale for each part.
    kind = torch.float32 if eight_bit else values.dtype
    inner_values = values.new_empty(parts, inner, dtype=kind)
    added = values.new_empty(1, parts, width)
    is_stored = experts.down_scales is not None
    first = GATE_UP_EIGHT_BITS if is_stored else GATE_UP
    second = DOWN_EIGHT_BITS if is_stored else DOWN
    line = CACHE_LINE // experts.down.element_size()
    common = {
        "ROUTED": routed,
        "EXPERTS": triton.next_power_of_2(routed),
        "PER_TOKEN": per_token,
        "SCALED": is_stored,
        "EIGHT_BIT": eight_bit,
        "LARGEST": LARGEST_E4M3,
        "LINE": line,
        "rows": 1,
    }

    def tiles(inputs: int, tuning: SingleTuning) -> dict[str, int]:
        lines = triton.cdiv(tuning.outputs * inputs, line)
        return {
            "OUTPUTS": tuning.outputs,
            "INPUTS": tuning.inputs,
            "BLOCK": triton.next_power_of_2(inputs),
            "LINES": triton.next_power_of_2(lines),
            "STAGES": tuning.stages,
            "num_warps": tuning.warps,
        }

    launch(
        _gate_up_singly,
        (parts, triton.cdiv(inner, first.outputs)),
        values,
        experts.gate_up,
        experts.gate_up_scales,
        logits,
        inner_values,
        width,
        inner,
        **common,
        **tiles(width, first),
    )
    launch(
        _down_singly,
        (parts, triton.cdiv(width, second.outputs)),
        inner_values,
        experts.down,
        experts.down_scales,
        logits,
        added,
        width,
        inner,
        scale,
        **common,
        **tiles(inner, second),
    )
    return added
