"""Computes the mixture of experts for a few tokens, which waits for little but the weights.

As for a single token, no kernel makes a list of routes: each program has an expert of its own, and finds
the tokens that chose it. It multiplies all tokens, which takes no longer than a part of them, and
keeps the results of those that chose it.
"""

from __future__ import annotations

from typing import Final

import triton
import triton.language as tl
from torch import Tensor

from ...weights.tensors import ExpertWeights
from ..block_sizes import ExpertTuning, few_expert_tuning
from ..launching import CACHE_LINE, await_previous, fetch_ahead, launch, shared_memory

__all__ = ["MOST_FEW", "moe_of_few"]

MOST_FEW: Final = 32
"""Most tokens that are multiplied here. From 48 on, lists of routes are faster."""


@triton.jit
def _choices(
    logits,
    expert,
    tokens,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Return for each token whether it chose the expert, the part that this is, and the share."""
    token = tl.arange(0, TOKENS)
    each = tl.arange(0, EXPERTS)
    row = logits + tl.minimum(token, tokens - 1) * ROUTED
    is_routed = (each < ROUTED)[None, :]
    logit = tl.load(row[:, None] + each[None, :], mask=is_routed, other=float("-inf"))
    own = tl.load(row + tl.minimum(expert, ROUTED - 1))
    better = (logit > own[:, None]) | ((logit == own[:, None]) & (each < expert)[None, :])
    part = tl.sum(better.to(tl.int32), 1)
    peak = tl.max(logit, 1)
    share = tl.exp(own - peak) / tl.sum(tl.exp(logit - peak[:, None]), 1)
    if expert >= ROUTED:
        part = tl.zeros_like(part) + PER_TOKEN + expert - ROUTED
    return (token < tokens) & ((part < PER_TOKEN) | (expert >= ROUTED)), part, share


@triton.jit
def _expert(unit, ROUTED: tl.constexpr, SHARED: tl.constexpr):
    """Return the expert of a program: the shared ones, which are always needed, come first."""
    return tl.where(unit < SHARED, ROUTED + unit, unit - SHARED)


@triton.jit(do_not_specialize=["tokens"])
def _gate_up_of_few(
    values,
    gate_up,
    scales,
    logits,
    inner_values,
    tokens,
    width,
    inner,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    SHARED: tl.constexpr,
    TOKENS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    EVEN: tl.constexpr,
    SCALED: tl.constexpr,
    LINE: tl.constexpr,
    LINES: tl.constexpr,
    STAGES: tl.constexpr,
):
    unit = tl.program_id(1)
    expert = _expert(unit, ROUTED, SHARED)
    first = tl.program_id(0) * OUTPUTS
    matrix = gate_up + expert.to(tl.int64) * 2 * inner * width
    if unit < SHARED:
        place = first * width + tl.arange(0, LINES) * LINE
        place = tl.minimum(place, inner * width - 1)
        fetch_ahead(matrix + place)
        fetch_ahead(matrix + inner * width + place)
    await_previous()
    is_chosen, part, _share = _choices(logits, expert, tokens, ROUTED, EXPERTS, PER_TOKEN, TOKENS)
    if tl.sum(is_chosen.to(tl.int32), 0) == 0:
        return
    token = tl.arange(0, TOKENS)
    output = first + tl.arange(0, OUTPUTS)
    is_output = output < inner
    each = tl.arange(0, INPUTS)
    gate_cells = matrix + output[:, None] * width + each[None, :]
    up_cells = gate_cells + inner * width
    value_cells = values + token[None, :] * width + each[:, None]
    is_token = (token < tokens)[None, :]
    gate = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    up = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    for begin in tl.range(0, width, INPUTS, num_stages=STAGES):
        if EVEN:
            gate_weight = tl.load(gate_cells + begin)
            up_weight = tl.load(up_cells + begin)
            value = tl.load(value_cells + begin, mask=is_token, other=0.0)
        else:
            inside = begin + each < width
            is_weight = is_output[:, None] & inside[None, :]
            gate_weight = tl.load(gate_cells + begin, mask=is_weight, other=0.0)
            up_weight = tl.load(up_cells + begin, mask=is_weight, other=0.0)
            value = tl.load(value_cells + begin, mask=is_token & inside[:, None], other=0.0)
        gate = tl.dot(gate_weight.to(value.dtype), value, gate, input_precision="ieee")
        up = tl.dot(up_weight.to(value.dtype), value, up, input_precision="ieee")
    if SCALED:
        scale = scales + expert * 2 * inner + output
        gate *= tl.load(scale, mask=is_output, other=0.0)[:, None]
        up *= tl.load(scale + inner, mask=is_output, other=0.0)[:, None]
    result = gate / (1.0 + tl.exp(-gate)) * up
    route = token * (PER_TOKEN + SHARED) + part
    tl.store(
        inner_values + route[None, :] * inner + output[:, None],
        result.to(inner_values.dtype.element_ty),
        mask=is_chosen[None, :] & is_output[:, None],
    )


@triton.jit(do_not_specialize=["tokens"])
def _down_of_few(
    inner_values,
    down,
    scales,
    logits,
    added,
    tokens,
    width,
    inner,
    scale,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    SHARED: tl.constexpr,
    TOKENS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    EVEN: tl.constexpr,
    SCALED: tl.constexpr,
    LINE: tl.constexpr,
    LINES: tl.constexpr,
    STAGES: tl.constexpr,
):
    unit = tl.program_id(1)
    expert = _expert(unit, ROUTED, SHARED)
    first = tl.program_id(0) * OUTPUTS
    matrix = down + expert.to(tl.int64) * width * inner
    if unit < SHARED:
        place = first * inner + tl.arange(0, LINES) * LINE
        fetch_ahead(matrix + tl.minimum(place, width * inner - 1))
    await_previous()
    is_chosen, part, share = _choices(logits, expert, tokens, ROUTED, EXPERTS, PER_TOKEN, TOKENS)
    if tl.sum(is_chosen.to(tl.int32), 0) == 0:
        return
    token = tl.arange(0, TOKENS)
    output = first + tl.arange(0, OUTPUTS)
    is_output = output < width
    each = tl.arange(0, INPUTS)
    route = token * (PER_TOKEN + SHARED) + part
    cells = matrix + output[:, None] * inner + each[None, :]
    value_cells = inner_values + route[None, :] * inner + each[:, None]
    result = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    for begin in tl.range(0, inner, INPUTS, num_stages=STAGES):
        if EVEN:
            weight = tl.load(cells + begin)
            value = tl.load(value_cells + begin, mask=is_chosen[None, :], other=0.0)
        else:
            inside = begin + each < inner
            weight = tl.load(cells + begin, mask=is_output[:, None] & inside[None, :], other=0.0)
            is_value = is_chosen[None, :] & inside[:, None]
            value = tl.load(value_cells + begin, mask=is_value, other=0.0)
        result = tl.dot(weight.to(value.dtype), value, result, input_precision="ieee")
    if SCALED:
        factor = tl.load(scales + expert * width + output, mask=is_output, other=0.0)
        result *= factor[:, None]
    if expert < ROUTED:
        result *= (share * scale)[None, :]
    tl.store(
        added + route[None, :] * width + output[:, None],
        result.to(added.dtype.element_ty),
        mask=is_chosen[None, :] & is_output[:, None],
    )


def moe_of_few(
    values: Tensor, experts: ExpertWeights, logits: Tensor, per_token: int, scale: float
) -> Tensor:
    """Apply the experts, which are not in fp8, to tokens whose router's logits are known (float32)."""
    tokens, width = values.shape
    routed, count, inner = len(experts.router), len(experts.down), experts.down.shape[2]
    parts = per_token + count - routed
    first, second = few_expert_tuning(tokens, values.dtype, shared_memory())
    inner_values = values.new_empty(tokens * parts, inner)
    added = values.new_empty(tokens, parts, width)
    line = CACHE_LINE // experts.down.element_size()
    common = {
        "ROUTED": routed,
        "EXPERTS": triton.next_power_of_2(routed),
        "PER_TOKEN": per_token,
        "SHARED": count - routed,
        "SCALED": experts.down_scales is not None,
        "LINE": line,
        "rows": tokens,
    }

    def tiles(inputs: int, outputs: int, tuning: ExpertTuning) -> dict[str, int | bool]:
        lines = triton.cdiv(tuning.outputs * inputs, line)
        return {
            "TOKENS": tuning.tokens,
            "OUTPUTS": tuning.outputs,
            "INPUTS": tuning.inputs,
            "EVEN": outputs % tuning.outputs == 0 and inputs % tuning.inputs == 0,
            "LINES": triton.next_power_of_2(lines),
            "STAGES": tuning.stages,
            "num_warps": tuning.warps,
        }

    launch(
        _gate_up_of_few,
        (triton.cdiv(inner, first.outputs), count),
        values,
        experts.gate_up,
        experts.gate_up_scales,
        logits,
        inner_values,
        tokens,
        width,
        inner,
        **common,
        **tiles(width, inner, first),
    )
    launch(
        _down_of_few,
        (triton.cdiv(width, second.outputs), count),
        inner_values,
        experts.down,
        experts.down_scales,
        logits,
        added,
        tokens,
        width,
        inner,
        scale,
        **common,
        **tiles(inner, width, second),
    )
    return added
