"""Samples the next tokens: bans repeats, finds the best token, verifies drafts.

Three small kernels find the banned tokens, the best token of each span of the
vocabulary, and the number of accepted drafts. The host waits for none of them.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ops import StepRows
from ..slots import MAX_EXEMPT, Slots
from .launching import await_previous, launch

__all__ = ["sample"]

STARTS = 128
"""N-gram starts that are compared at once."""

SPAN = 4096
"""Vocabulary entries that one program reads."""


@triton.jit
def _forbid(
    slots,
    drafts,
    lengths,
    history,
    eos_from,
    sizes,
    windows,
    exempt,
    forbidden,
    counts,
    end,
    room,
    QUERIES: tl.constexpr,
    EXEMPT: tl.constexpr,
    STARTS: tl.constexpr,
):
    await_previous()
    query = tl.program_id(0)
    row = query // QUERIES
    number = query % QUERIES
    count = 0
    if number <= tl.load(drafts + row):
        slot = tl.load(slots + row)
        tokens = history + slot * room
        known = tl.load(lengths + slot) + 1 + number
        size = tl.load(sizes + slot)
        if size > 0:
            first = tl.maximum(known - tl.load(windows + slot), 0)
            for begin in range(first, known - size + 1, STARTS):
                start = begin + tl.arange(0, STARTS)
                same = (start <= known - size).to(tl.int32)
                # Backwards: most n-grams differ within their last tokens.
                back = 0
                while (back < size - 1) & (tl.max(same, 0) > 0):
                    earlier = tl.load(tokens + start + size - 2 - back, mask=same > 0, other=-1)
                    same &= (earlier == tl.load(tokens + known - 1 - back)).to(tl.int32)
                    back += 1
                if tl.max(same, 0) > 0:
                    follower = tl.load(tokens + start + size - 1, mask=same > 0, other=-1)
                    for other in range(EXEMPT):
                        kept = tl.load(exempt + slot * EXEMPT + other)
                        same &= (follower != kept).to(tl.int32)
                    offset = query * room + count + tl.cumsum(same, 0) - 1
                    tl.store(forbidden + offset, follower, mask=same > 0)
                    count += tl.sum(same, 0)
        if known < tl.load(eos_from + slot):
            tl.store(forbidden + query * room + count, end)
            count += 1
    tl.store(counts + query, count)


@triton.jit
def _best_of_span(
    logits,
    slots,
    lengths,
    temperatures,
    seeds,
    forbidden,
    counts,
    best_scores,
    best_tokens,
    best_logits,
    peaks,
    sums,
    vocabulary,
    room,
    spans,
    QUERIES: tl.constexpr,
    SPAN: tl.constexpr,
):
    await_previous()
    query = tl.program_id(0)
    span = tl.program_id(1)
    token = span * SPAN + tl.arange(0, SPAN)
    logit = tl.load(
        logits + query.to(tl.int64) * vocabulary + token,
        mask=token < vocabulary,
        other=float("-inf"),
    )
    score = logit
    count = tl.load(counts + query)
    for other in range(count):
        banned = tl.load(forbidden + query * room + other)
        score = tl.where(token == banned, float("-inf"), score)
    slot = tl.load(slots + query // QUERIES)
    heat = tl.load(temperatures + slot)
    if heat > 0:
        # The argmax of score / T + Gumbel noise is distributed as softmax(score / T). One number of
        # the generator (Philox) has four parts, each for a token.
        quarters = tl.arange(0, SPAN // 4)
        place = (tl.load(lengths + slot) + query % QUERIES) * spans + span
        parts = tl.rand4x(tl.load(seeds + slot), place * (SPAN // 4) + quarters)
        halves = tl.join(tl.join(parts[0], parts[1]), tl.join(parts[2], parts[3]))
        uniform = tl.maximum(tl.reshape(halves, (SPAN,)), 1e-20)
        score -= heat * tl.log(-tl.log(uniform))
    best, where = tl.max(score, 0, return_indices=True)
    best_logit = best
    peak = best
    if heat > 0:
        # Read once more: finding it among those of the span would take longer.
        chosen = span * SPAN + where
        best_logit = tl.load(
            logits + query.to(tl.int64) * vocabulary + chosen,
            mask=chosen < vocabulary,
            other=float("-inf"),
        )
    # Reads the whole span again, so it is skipped where it changes nothing.
    if (heat > 0) | (count > 0):
        peak = tl.max(logit, 0)
    target = query * spans + span
    tl.store(best_scores + target, best)
    tl.store(best_tokens + target, span * SPAN + where)
    tl.store(best_logits + target, best_logit)
    tl.store(peaks + target, peak)
    tl.store(sums + target, tl.sum(tl.exp(logit - peak), 0))


@triton.jit
def _keep(
    slots,
    drafts,
    lengths,
    history,
    best_scores,
    best_tokens,
    best_logits,
    peaks,
    sums,
    outputs,
    padding_slot,
    room,
    spans,
    QUERIES: tl.constexpr,
    SPANS_BLOCK: tl.constexpr,
):
    await_previous()
    row = tl.program_id(0)
    slot = tl.load(slots + row)
    draft_count = tl.load(drafts + row)
    cached = tl.load(lengths + slot)
    output = outputs + row * (1 + 2 * QUERIES)
    span = tl.arange(0, SPANS_BLOCK)
    inside = span < spans
    kept = 0
    going = 1
    for number in tl.static_range(QUERIES):
        cells = (row * QUERIES + number) * spans + span
        score = tl.load(best_scores + cells, mask=inside, other=float("-inf"))
        _best, where = tl.max(score, 0, return_indices=True)
        offset = (row * QUERIES + number) * spans + where
        token = tl.load(best_tokens + offset)
        peak = tl.load(peaks + cells, mask=inside, other=float("-inf"))
        highest = tl.max(peak, 0)
        total = tl.sum(tl.exp(peak - highest) * tl.load(sums + cells, mask=inside, other=0.0), 0)
        logprob = tl.load(best_logits + offset) - highest - tl.log(total)
        tl.store(output + 1 + number, token)
        tl.store(output + 1 + QUERIES + number, logprob.to(tl.int32, bitcast=True))
        target = history + slot * room + cached + 1 + number
        draft = tl.load(target)
        tl.store(target, token, mask=going > 0)
        kept += going
        going = going & (number < draft_count).to(tl.int32) & (token == draft).to(tl.int32)
    tl.store(output, kept)
    tl.store(lengths + slot, cached + kept, mask=slot != padding_slot)


def sample(logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
    """See :meth:`.ops.Ops.sample`."""
    queries, vocabulary = logits.shape
    room = state.history.shape[1]
    spans = triton.cdiv(vocabulary, SPAN)

    def new(*shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=logits.device)

    forbidden, counts = new(queries, room), new(queries)
    launch(
        _forbid,
        (queries,),
        rows.slots,
        rows.drafts,
        state.lengths,
        state.history,
        state.eos_from,
        state.sizes,
        state.windows,
        state.exempt,
        forbidden,
        counts,
        end,
        room,
        rows=queries,
        QUERIES=rows.queries,
        EXEMPT=MAX_EXEMPT,
        STARTS=STARTS,
        num_warps=1,
    )
    best_tokens = new(queries, spans)
    best = [new(queries, spans, dtype=torch.float32) for _ in range(4)]
    launch(
        _best_of_span,
        (queries, spans),
        logits,
        rows.slots,
        state.lengths,
        state.temperatures,
        state.seeds,
        forbidden,
        counts,
        best[0],
        best_tokens,
        *best[1:],
        vocabulary,
        room,
        spans,
        rows=queries,
        QUERIES=rows.queries,
        SPAN=SPAN,
        num_warps=4,
    )
    outputs = new(len(rows.slots), 1 + 2 * rows.queries)
    launch(
        _keep,
        (len(rows.slots),),
        rows.slots,
        rows.drafts,
        state.lengths,
        state.history,
        best[0],
        best_tokens,
        *best[1:],
        outputs,
        state.padding_slot,
        room,
        spans,
        rows=queries,
        QUERIES=rows.queries,
        SPANS_BLOCK=triton.next_power_of_2(spans),
        num_warps=1,
    )
    return outputs
