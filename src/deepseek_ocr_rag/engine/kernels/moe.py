"""The mixture of experts: routing, then each expert's matrix products over its own tokens.

The weight matrix is the left operand and the tokens the right one, so that the matrix unit's long
side lies along the weights however few tokens an expert has. An expert's members are the routes
that lead to it: route ``r`` is part ``r % parts`` of token ``r // parts``.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..products import float32_product
from ..weights.tensors import ExpertWeights
from .block_sizes import expert_tuning
from .launching import launch

__all__ = ["moe"]


@triton.jit
def _route(
    logits,
    shares,
    counts,
    members,
    tokens,
    scale,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    SHARED: tl.constexpr,
):
    token = tl.program_id(0)
    expert = tl.arange(0, EXPERTS)
    is_expert = expert < ROUTED
    logit = tl.load(logits + token * ROUTED + expert, mask=is_expert, other=float("-inf"))
    odds = tl.exp(logit - tl.max(logit, 0))
    share = odds / tl.sum(odds, 0)
    # All ranks at once: finding one maximum after the other takes longer.
    better = (logit[None, :] > logit[:, None]) | (
        (logit[None, :] == logit[:, None]) & (expert[None, :] < expert[:, None])
    )
    rank = tl.sum(better.to(tl.int32), 1)
    route = token * (PER_TOKEN + SHARED) + rank
    taken = rank < PER_TOKEN
    place = tl.atomic_add(counts + expert, 1, mask=taken)
    tl.store(members + expert * tokens + place, route, mask=taken)
    tl.store(shares + route, share * scale, mask=taken)
    for part in tl.static_range(SHARED):
        shared_route = token * (PER_TOKEN + SHARED) + PER_TOKEN + part
        tl.store(members + (ROUTED + part) * tokens + token, shared_route)
        tl.store(shares + shared_route, 1.0)
        if token == 0:
            tl.store(counts + ROUTED + part, tokens)


@triton.jit
def _block(counts, block, EXPERTS: tl.constexpr, EXPERTS_BLOCK: tl.constexpr, TOKENS: tl.constexpr):
    """The expert of a block of members, the block's first member, and the expert's member count.

    Blocks behind the last one get an expert that does not exist.
    """
    expert = tl.arange(0, EXPERTS_BLOCK)
    count = tl.load(counts + expert, mask=expert < EXPERTS, other=0)
    blocks = (count + TOKENS - 1) // TOKENS
    ends = tl.cumsum(blocks, 0)
    found = tl.sum((ends <= block).to(tl.int32), 0)
    before = tl.sum(tl.where(expert < found, blocks, 0), 0)
    members = tl.sum(tl.where(expert == found, count, 0), 0)
    return found, (block - before) * TOKENS, members


@triton.jit
def _gate_up(
    values,
    gate_up,
    scales,
    inner_values,
    counts,
    members,
    tokens,
    width,
    inner,
    parts,
    EXPERTS: tl.constexpr,
    EXPERTS_BLOCK: tl.constexpr,
    TOKENS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    EVEN: tl.constexpr,
    SCALED: tl.constexpr,
    STAGES: tl.constexpr,
):
    expert, first, count = _block(counts, tl.program_id(0), EXPERTS, EXPERTS_BLOCK, TOKENS)
    if expert >= EXPERTS:
        return
    order = first + tl.arange(0, TOKENS)
    is_member = order < count
    route = tl.load(members + expert * tokens + order, mask=is_member, other=0)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_output = output < inner
    each = tl.arange(0, INPUTS)
    row = gate_up + (expert.to(tl.int64) * 2 * inner + output) * width
    gate_cells = row[:, None] + each[None, :]
    up_cells = gate_cells + inner * width
    value_cells = values + (route // parts)[None, :] * width + each[:, None]
    gate = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    up = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    for begin in tl.range(0, width, INPUTS, num_stages=STAGES):
        if EVEN:
            gate_weight = tl.load(gate_cells + begin)
            up_weight = tl.load(up_cells + begin)
            value = tl.load(value_cells + begin)
        else:
            inside = begin + each < width
            is_weight = is_output[:, None] & inside[None, :]
            gate_weight = tl.load(gate_cells + begin, mask=is_weight, other=0.0)
            up_weight = tl.load(up_cells + begin, mask=is_weight, other=0.0)
            value = tl.load(value_cells + begin, mask=inside[:, None], other=0.0)
        gate = tl.dot(gate_weight.to(value.dtype), value, gate, input_precision="ieee")
        up = tl.dot(up_weight.to(value.dtype), value, up, input_precision="ieee")
    if SCALED:
        scale = scales + expert * 2 * inner + output
        gate *= tl.load(scale, mask=is_output, other=0.0)[:, None]
        up *= tl.load(scale + inner, mask=is_output, other=0.0)[:, None]
    result = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(
        inner_values + route[None, :] * inner + output[:, None],
        result.to(inner_values.dtype.element_ty),
        mask=is_member[None, :] & is_output[:, None],
    )


@triton.jit
def _down(
    inner_values,
    down,
    scales,
    shares,
    added,
    counts,
    members,
    tokens,
    width,
    inner,
    EXPERTS: tl.constexpr,
    EXPERTS_BLOCK: tl.constexpr,
    TOKENS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    EVEN: tl.constexpr,
    SCALED: tl.constexpr,
    STAGES: tl.constexpr,
):
    expert, first, count = _block(counts, tl.program_id(0), EXPERTS, EXPERTS_BLOCK, TOKENS)
    if expert >= EXPERTS:
        return
    order = first + tl.arange(0, TOKENS)
    is_member = order < count
    route = tl.load(members + expert * tokens + order, mask=is_member, other=0)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_output = output < width
    each = tl.arange(0, INPUTS)
    row = down + (expert.to(tl.int64) * width + output) * inner
    cells = row[:, None] + each[None, :]
    value_cells = inner_values + route[None, :] * inner + each[:, None]
    result = tl.zeros([OUTPUTS, TOKENS], tl.float32)
    for begin in tl.range(0, inner, INPUTS, num_stages=STAGES):
        if EVEN:
            weight = tl.load(cells + begin)
            value = tl.load(value_cells + begin)
        else:
            inside = begin + each < inner
            is_weight = is_output[:, None] & inside[None, :]
            weight = tl.load(cells + begin, mask=is_weight, other=0.0)
            value = tl.load(value_cells + begin, mask=inside[:, None], other=0.0)
        result = tl.dot(weight.to(value.dtype), value, result, input_precision="ieee")
    if SCALED:
        scale = scales + expert * width + output
        result *= tl.load(scale, mask=is_output, other=0.0)[:, None]
    result *= tl.load(shares + route, mask=is_member, other=0.0)[None, :]
    tl.store(
        added + route[None, :] * width + output[:, None],
        result.to(added.dtype.element_ty),
        mask=is_member[None, :] & is_output[:, None],
    )


def moe(values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
    """See :meth:`.ops.Ops.moe`."""
    tokens, width = values.shape
    routed, count, inner = len(experts.router), len(experts.down), experts.down.shape[2]
    shared = count - routed
    parts = per_token + shared
    tuning = expert_tuning(tokens, values.dtype)

    def new(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=values.device)

    counts = torch.zeros(count, dtype=torch.int32, device=values.device)
    members = new(count, tokens, dtype=torch.int32)
    shares = new(tokens, parts, dtype=torch.float32)
    launch(
        _route,
        (tokens,),
        float32_product(values, experts.router),
        shares,
        counts,
        members,
        tokens,
        scale,
        ROUTED=routed,
        EXPERTS=triton.next_power_of_2(routed),
        PER_TOKEN=per_token,
        SHARED=shared,
        num_warps=1,
    )
    # Only the last block of an expert may be partly filled.
    blocks = min(routed, tokens * per_token) + tokens * per_token // tuning.tokens
    blocks += shared * triton.cdiv(tokens, tuning.tokens)
    common = {
        "EXPERTS": count,
        "EXPERTS_BLOCK": triton.next_power_of_2(count + 1),
        "TOKENS": tuning.tokens,
        "OUTPUTS": tuning.outputs,
        "INPUTS": tuning.inputs,
        "SCALED": experts.down_scales is not None,
        "STAGES": tuning.stages,
        "num_warps": tuning.warps,
    }
    inner_values = new(tokens * parts, inner, dtype=values.dtype)
    launch(
        _gate_up,
        (blocks, triton.cdiv(inner, tuning.outputs)),
        values,
        experts.gate_up,
        experts.gate_up_scales,
        inner_values,
        counts,
        members,
        tokens,
        width,
        inner,
        parts,
        EVEN=inner % tuning.outputs == 0 and width % tuning.inputs == 0,
        **common,
    )
    added = new(tokens, parts, width, dtype=values.dtype)
    launch(
        _down,
        (blocks, triton.cdiv(width, tuning.outputs)),
        inner_values,
        experts.down,
        experts.down_scales,
        shares,
        added,
        counts,
        members,
        tokens,
        width,
        inner,
        EVEN=width % tuning.outputs == 0 and inner % tuning.inputs == 0,
        **common,
    )
    return added
