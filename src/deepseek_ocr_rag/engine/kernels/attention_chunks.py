"""Finds the visible tokens of a context, and joins the results of attention to its chunks."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from ..ops import StepRows
from ..slots import Slots
from .block_sizes import AttentionTuning
from .launching import await_previous, launch

__all__ = ["hand_in", "join", "span"]


@triton.jit
def span(slots, lengths, prompts, row, window, STORED: tl.constexpr, WINDOWED: tl.constexpr):
    """Return the slot, and the counts of tokens: cached before, visible, in the prompt, skipped.

    The tokens between the prompt and the first query's window are skipped; without
    them, the visible tokens are contiguous. The cache also holds the first ``STORED`` tokens of this step.
    """
    slot = tl.load(slots + row)
    cached = tl.load(lengths + slot)
    prompt = 0
    left_out = 0
    if WINDOWED:
        prompt = tl.load(prompts + slot)
        left_out = tl.maximum(cached - window + 1 - prompt, 0)
    return slot, cached, cached + STORED - left_out, prompt, left_out


@triton.jit
def _joined_parts(parts, weights, start, used, WIDTH: tl.constexpr, AT_ONCE: tl.constexpr):
    """Return the result of ``used`` parts that begin at ``start``, weighted by their chunks."""
    channel = tl.arange(0, WIDTH)
    peak = float("-inf")
    total = 0.0
    result = tl.zeros([WIDTH], tl.float32)
    for begin in range(0, used, AT_ONCE):
        chunk = begin + tl.arange(0, AT_ONCE)
        inside = chunk < used
        # From the L2 cache: other multiprocessors have written them.
        weight = tl.load(
            weights + start + chunk, mask=inside, other=float("-inf"), cache_modifier=".cg"
        )
        cells = (start + chunk)[:, None] * WIDTH + channel[None, :]
        part = tl.load(parts + cells, mask=inside[:, None], other=0.0, cache_modifier=".cg")
        new_peak = tl.maximum(peak, tl.max(weight, 0))
        share = tl.exp2(weight - new_peak)
        shrink = tl.exp2(peak - new_peak)
        total = total * shrink + tl.sum(share, 0)
        result = result * shrink + tl.sum(part * share[:, None], 0)
        peak = new_peak
    return result / total


@triton.jit
def hand_in(
    result,
    weight,
    parts,
    weights,
    joined,
    arrivals,
    query,
    chunk,
    chunks,
    used,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    AT_ONCE: tl.constexpr,
):
    """Store the result of one of ``used`` chunks; the program that ends last joins all of them.

    Only the first row of the result is stored. ``query`` is the index of a query's head, ``weight``
    the base-2 logarithm of the chunk's softmax sum. The head's arrivals are 0 before and
    afterwards.
    """
    row = tl.arange(0, ROWS)
    channel = tl.arange(0, WIDTH)
    is_first = row == 0
    target = joined + query * WIDTH + channel
    if used == 1:
        whole = result.to(joined.dtype.element_ty)
        tl.store(target[None, :] + row[:, None], whole, mask=is_first[:, None])
    else:
        start = query * chunks
        cells = (start + chunk + row)[:, None] * WIDTH + channel[None, :]
        tl.store(parts + cells, result, mask=is_first[:, None])
        tl.store(weights + start + chunk + row, weight, mask=is_first)
        # One thread counts the arrival, which must come after what all others have written.
        tl.debug_barrier()
        if tl.atomic_add(arrivals + query, 1, sem="acq_rel", scope="gpu") == used - 1:
            tl.store(arrivals + query, 0)
            found = _joined_parts(parts, weights, start, used, WIDTH, AT_ONCE)
            tl.store(target, found.to(joined.dtype.element_ty))


@triton.jit
def _join_chunks(
    parts,
    weights,
    joined,
    slots,
    lengths,
    prompts,
    heads,
    window,
    chunks,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    AT_ONCE: tl.constexpr,
    WINDOWED: tl.constexpr,
):
    query = tl.program_id(0)
    head = tl.program_id(1)
    _slot, _cached, seen, _prompt, _left_out = span(
        slots, lengths, prompts, query // QUERIES, window, QUERIES, WINDOWED
    )
    await_previous()
    start = (query * heads + head) * chunks
    found = _joined_parts(parts, weights, start, tl.cdiv(seen, CHUNK), WIDTH, AT_ONCE)
    target = joined + (query * heads + head) * WIDTH + tl.arange(0, WIDTH)
    tl.store(target, found.to(joined.dtype.element_ty))


def join(
    parts: Tensor,
    weights: Tensor,
    joined: Tensor,
    rows: StepRows,
    state: Slots,
    window: int | None,
    tuning: AttentionTuning,
) -> None:
    """Join the chunks of tokens with drafts, ``parts`` and their ``weights``, into ``joined``."""
    tokens, heads, chunks, width = parts.shape
    launch(
        _join_chunks,
        (tokens, heads),
        parts,
        weights,
        joined,
        rows.slots,
        state.lengths,
        state.prompts,
        heads,
        window or 0,
        chunks,
        rows=tokens,
        QUERIES=rows.queries,
        WIDTH=width,
        CHUNK=tuning.chunk,
        AT_ONCE=tuning.joined,
        WINDOWED=window is not None,
        num_warps=tuning.joined // 4,
    )
