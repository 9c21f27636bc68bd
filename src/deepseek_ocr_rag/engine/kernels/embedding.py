"""Begins a decode step: looks up each row's tokens and their positions."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ops import StepRows
from ..slots import Slots
from .launching import launch

__all__ = ["embed"]


@triton.jit
def _embed(
    slots,
    lengths,
    history,
    embeddings,
    residual,
    positions,
    token_slots,
    room,
    width,
    QUERIES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    query = tl.program_id(0)
    slot = tl.load(slots + query // QUERIES)
    position = tl.load(lengths + slot) + query % QUERIES
    token = tl.load(history + slot * room + position)
    channel = tl.arange(0, BLOCK)
    inside = channel < width
    value = tl.load(embeddings + token.to(tl.int64) * width + channel, mask=inside, other=0.0)
    tl.store(residual + query.to(tl.int64) * width + channel, value.to(tl.float32), mask=inside)
    tl.store(positions + query, position)
    tl.store(token_slots + query, slot)


def embed(embeddings: Tensor, rows: StepRows, state: Slots) -> tuple[Tensor, Tensor, Tensor]:
    """See :meth:`.ops.Ops.embed`."""
    count, width = len(rows.slots) * rows.queries, embeddings.shape[1]
    residual = torch.empty(count, width, dtype=torch.float32, device=embeddings.device)
    positions, token_slots = rows.slots.new_empty(count), rows.slots.new_empty(count)
    # Not launched ahead: the step before has written what it reads.
    launch(
        _embed,
        (count,),
        rows.slots,
        state.lengths,
        state.history,
        embeddings,
        residual,
        positions,
        token_slots,
        state.history.shape[1],
        width,
        QUERIES=rows.queries,
        BLOCK=triton.next_power_of_2(width),
        num_warps=4,
    )
    return residual, positions, token_slots
