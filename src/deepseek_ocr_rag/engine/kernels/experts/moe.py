"""Computes the mixture of experts: routing, then each expert's products over its own tokens.

The weight matrix is the left operand and the tokens the right one, so that the matrix unit's long
side lies along the weights however few tokens an expert has. An expert's members are the routes
that lead to it: route ``r`` is part ``r % parts`` of token ``r // parts``.

With fp8 experts the activations are rounded to fp8 too, so that the matrix unit multiplies without
converting: each token has its own scale, and the values between the two products have one for each
tile of their channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ...weights.tensors import ExpertWeights, Matrix
from ..block_sizes import ExpertTuning, expert_tuning
from ..launching import await_previous, launch, shared_memory
from ..linear_layers import product
from .few import MOST_FEW, moe_of_few
from .single import moe_of_one

__all__ = ["moe"]

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


@triton.jit(do_not_specialize=["tokens"])
def _route(
    logits,
    shares,
    counts,
    members,
    values,
    rounded,
    value_scales,
    tokens,
    width,
    scale,
    ROUTED: tl.constexpr,
    EXPERTS: tl.constexpr,
    PER_TOKEN: tl.constexpr,
    SHARED: tl.constexpr,
    EIGHT_BIT: tl.constexpr,
    WIDTH_BLOCK: tl.constexpr,
    LARGEST: tl.constexpr,
):
    await_previous()
    token = tl.program_id(0)
    if EIGHT_BIT:
        channel = tl.arange(0, WIDTH_BLOCK)
        offset = token.to(tl.int64) * width + channel
        value = tl.load(values + offset, mask=channel < width, other=0.0).to(tl.float32)
        value_scale = tl.maximum(tl.max(tl.abs(value), 0), 1e-12) / LARGEST
        eight_bits = (value / value_scale).to(rounded.dtype.element_ty)
        tl.store(rounded + offset, eight_bits, mask=channel < width)
        tl.store(value_scales + token, value_scale)
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
    offset = tl.atomic_add(counts + expert, 1, mask=taken)
    tl.store(members + expert * tokens + offset, route, mask=taken)
    tl.store(shares + route, share * scale, mask=taken)
    for part in tl.static_range(SHARED):
        shared_route = token * (PER_TOKEN + SHARED) + PER_TOKEN + part
        tl.store(members + (ROUTED + part) * tokens + token, shared_route)
        tl.store(shares + shared_route, 1.0)
        if token == 0:
            tl.store(counts + ROUTED + part, tokens)


@triton.jit
def _block(counts, block, EXPERTS: tl.constexpr, EXPERTS_BLOCK: tl.constexpr, TOKENS: tl.constexpr):
    """Find a block's expert, its first member, and the expert's member count.

    Blocks after the last one get an expert that does not exist.
    """
    expert = tl.arange(0, EXPERTS_BLOCK)
    count = tl.load(counts + expert, mask=expert < EXPERTS, other=0)
    blocks = (count + TOKENS - 1) // TOKENS
    ends = tl.cumsum(blocks, 0)
    found = tl.sum((ends <= block).to(tl.int32), 0)
    before = tl.sum(tl.where(expert < found, blocks, 0), 0)
    members = tl.sum(tl.where(expert == found, count, 0), 0)
    return found, (block - before) * TOKENS, members


@triton.jit(do_not_specialize=["tokens"])
def _gate_up(
    values,
    value_scales,
    gate_up,
    scales,
    inner_values,
    inner_scales,
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
    EIGHT_BIT: tl.constexpr,
    LARGEST: tl.constexpr,
    STAGES: tl.constexpr,
):
    await_previous()
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
    if EIGHT_BIT:
        value_scale = tl.load(value_scales + route // parts, mask=is_member, other=0.0)
        gate *= value_scale[None, :]
        up *= value_scale[None, :]
    result = gate / (1.0 + tl.exp(-gate)) * up
    if EIGHT_BIT:
        inner_scale = tl.maximum(tl.max(tl.abs(result), 0), 1e-12) / LARGEST
        result /= inner_scale[None, :]
        group = route * tl.num_programs(1) + tl.program_id(1)
        tl.store(inner_scales + group, inner_scale, mask=is_member)
    tl.store(
        inner_values + route[None, :] * inner + output[:, None],
        result.to(inner_values.dtype.element_ty),
        mask=is_member[None, :] & is_output[:, None],
    )


@triton.jit(do_not_specialize=["tokens"])
def _down(
    inner_values,
    inner_scales,
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
    EIGHT_BIT: tl.constexpr,
    STAGES: tl.constexpr,
):
    await_previous()
    # Programs of the same tokens are neighbours: all tokens of a prompt would fill the L2 cache.
    expert, first, count = _block(counts, tl.program_id(1), EXPERTS, EXPERTS_BLOCK, TOKENS)
    if expert >= EXPERTS:
        return
    order = first + tl.arange(0, TOKENS)
    is_member = order < count
    route = tl.load(members + expert * tokens + order, mask=is_member, other=0)
    output = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
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
        if EIGHT_BIT:
            # Each turn of the loop reads one group of channels, which has one scale.
            group = route * tl.cdiv(inner, INPUTS) + begin // INPUTS
            inner_scale = tl.load(inner_scales + group, mask=is_member, other=0.0)
            result += tl.dot(weight, value) * inner_scale[None, :]
        else:
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


@dataclass(frozen=True, slots=True)
class _Routes:
    """The assignment of tokens to experts, and the tokens in the form that the products read."""

    counts: Tensor  # members of each expert, ``(experts or more,)``
    members: Tensor  # routes to each expert, ``(experts, tokens)``
    shares: Tensor  # factor of each route, ``(tokens, parts)``
    values: Tensor  # ``(tokens, width)``
    value_scales: Tensor | None  # of fp8 values, ``(tokens,)``


def moe(values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
    """See :meth:`...ops.Ops.moe`."""
    tokens, width = values.shape
    routed, count, inner = len(experts.router), len(experts.down), experts.down.shape[2]
    shared = count - routed
    parts = per_token + shared
    eight_bit = experts.down.dtype == torch.float8_e4m3fn
    if tokens == 1 or (tokens <= MOST_FEW and not eight_bit):
        logits = product(values, Matrix(experts.router), exact=True)
        apply = moe_of_one if tokens == 1 else moe_of_few
        return apply(values, experts, logits, per_token, scale)
    routes = _route_tokens(values, experts, per_token, scale)
    first, second = expert_tuning(tokens, routes.values.dtype, shared_memory())
    inner_values = values.new_empty(tokens * parts, inner, dtype=routes.values.dtype)
    inner_scales: Tensor | None = None
    if eight_bit:
        groups = triton.cdiv(inner, first.outputs)
        inner_scales = values.new_empty(tokens * parts, groups, dtype=torch.float32)

    def blocks(size: int) -> int:
        # Only the last block of an expert may be partly filled.
        full = tokens * per_token // size + shared * triton.cdiv(tokens, size)
        return min(routed, tokens * per_token) + int(full)

    common = {
        "EXPERTS": count,
        "EXPERTS_BLOCK": triton.next_power_of_2(count + 1),
        "SCALED": experts.down_scales is not None,
        "EIGHT_BIT": eight_bit,
    }
    launch(
        _gate_up,
        (blocks(first.tokens), triton.cdiv(inner, first.outputs)),
        routes.values,
        routes.value_scales,
        experts.gate_up,
        experts.gate_up_scales,
        inner_values,
        inner_scales,
        routes.counts,
        routes.members,
        tokens,
        width,
        inner,
        parts,
        rows=tokens,
        EVEN=inner % first.outputs == 0 and width % first.inputs == 0,
        LARGEST=LARGEST_E4M3,
        **common,
        **_tiles(first),
    )
    added = values.new_empty(tokens, parts, width)
    launch(
        _down,
        (triton.cdiv(width, second.outputs), blocks(second.tokens)),
        inner_values,
        inner_scales,
        experts.down,
        experts.down_scales,
        routes.shares,
        added,
        routes.counts,
        routes.members,
        tokens,
        width,
        inner,
        rows=tokens,
        EVEN=width % second.outputs == 0 and inner % second.inputs == 0,
        **common,
        **_tiles(second),
    )
    return added


def _route_tokens(values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> _Routes:
    tokens, width = values.shape
    routed, count = len(experts.router), len(experts.down)
    shared = count - routed
    eight_bit = experts.down.dtype == torch.float8_e4m3fn
    routes = _Routes(
        counts=values.new_empty(triton.next_power_of_2(count), dtype=torch.int32),
        members=values.new_empty(count, tokens, dtype=torch.int32),
        shares=values.new_empty(tokens, per_token + shared, dtype=torch.float32),
        values=torch.empty_like(values, dtype=torch.float8_e4m3fn) if eight_bit else values,
        value_scales=values.new_empty(tokens, dtype=torch.float32) if eight_bit else None,
    )
    router = Matrix(experts.router)
    launch(
        _route,
        (tokens,),
        product(values, router, exact=True, cleared=routes.counts),
        routes.shares,
        routes.counts,
        routes.members,
        values,
        routes.values,
        routes.value_scales,
        tokens,
        width,
        scale,
        rows=tokens,
        ROUTED=routed,
        EXPERTS=triton.next_power_of_2(routed),
        PER_TOKEN=per_token,
        SHARED=shared,
        EIGHT_BIT=eight_bit,
        WIDTH_BLOCK=triton.next_power_of_2(width),
        LARGEST=LARGEST_E4M3,
        num_warps=4 if eight_bit else 1,
    )
    return routes


def _tiles(tuning: ExpertTuning) -> dict[str, int]:
    return {
        "TOKENS": tuning.tokens,
        "OUTPUTS": tuning.outputs,
        "INPUTS": tuning.inputs,
        "STAGES": tuning.stages,
        "num_warps": tuning.warps,
    }
