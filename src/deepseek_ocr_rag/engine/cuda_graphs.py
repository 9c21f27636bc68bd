"""CUDA graphs of decode steps and prompts: captured once for a few sizes, then replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from .decoder import Decoder
from .ops import StepRows
from .prefill import PrefillBatch, PrefillRequest, pack
from .slots import MAX_DRAFTS, Slots

__all__ = ["MAX_DRAFTED_ROWS", "MAX_PROMPTS", "DecodeGraphs", "PrefillGraphs", "padded_rows"]

_cuda: Any = torch.cuda
"""Its streams have no types of their own."""

SMALL_BATCHES: Final = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)
BATCH_STEP: Final = 64
"""Rows of the captured steps; above 256 every multiple of 64."""

QUERY_COUNTS: Final = (1, 4, 8, MAX_DRAFTS + 1)
"""Queries a row of the captured steps."""

MAX_DRAFTED_ROWS: Final = 4
"""Larger steps take no drafts: they would have to compute, not only to wait on memory."""

PREFILL_STEP: Final = 1024
"""Tokens of the captured prefills: every multiple of it."""

MAX_PROMPTS: Final = 16
"""Prompts of a captured prefill."""


def padded_rows(rows: int) -> int:
    """Rows of the smallest captured step that holds a number of rows."""
    if rows <= SMALL_BATCHES[-1]:
        return next(size for size in SMALL_BATCHES if size >= rows)
    return -(-rows // BATCH_STEP) * BATCH_STEP


class _Capturer:
    """Captures graphs that share memory, because they never run at the same time."""

    def __init__(self) -> None:
        self._stream: Any = _cuda.Stream()
        self._first: torch.cuda.CUDAGraph | None = None

    def capture(self, work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """The graph of some work, and where it puts its result."""
        # Once outside: compiling kernels and allocating workspaces cannot be captured.
        work()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        pool = None if self._first is None else self._first.pool()
        with torch.cuda.graph(
            graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            outputs = work()
        self._first = self._first or graph
        return graph, outputs


@dataclass(frozen=True, slots=True)
class _DecodeGraph:
    inputs: Tensor
    graph: torch.cuda.CUDAGraph
    outputs: Tensor


class DecodeGraphs:
    """The decoder's steps: graphs, each captured when its size first occurs, or eager steps."""

    def __init__(self, decoder: Decoder, slots: Slots, *, capture: bool) -> None:
        self._decoder = decoder
        self._slots = slots
        self._graphs: dict[tuple[int, int], _DecodeGraph] = {}
        self._capturer = _Capturer() if capture else None

    def capture(self, least_rows: int, most_rows: int) -> None:
        """Capture a range of sizes, the largest first: the others fit into its memory."""
        if self._capturer is not None:
            for rows, queries in _step_sizes(least_rows, most_rows):
                self._graph(self._capturer, rows, queries)

    def compile(self, least_rows: int, most_rows: int) -> None:
        """Run a range of sizes on padding only, to have their kernels compiled."""
        for rows, queries in _step_sizes(least_rows, most_rows):
            self._step(self._inputs([], [], rows, queries).to(self._slots.device))

    def run(self, slots: Sequence[int], drafts: Sequence[Sequence[int]]) -> Tensor:
        """Run one step, with at most ``MAX_DRAFTS`` drafts for each sequence.

        Returns what :meth:`.ops.Ops.sample` does, a row for each sequence, overwritten by the next
        step.
        """
        longest = max(map(len, drafts), default=0)
        queries = next(size for size in QUERY_COUNTS if size > longest)
        if self._capturer is None:
            inputs = self._inputs(slots, drafts, len(slots), queries)
            return self._step(inputs.to(self._slots.device))
        captured = self._graph(self._capturer, padded_rows(len(slots)), queries)
        inputs = self._inputs(slots, drafts, captured.inputs.shape[1], queries)
        captured.inputs.copy_(inputs.pin_memory(), non_blocking=True)
        captured.graph.replay()
        return captured.outputs[: len(slots)]

    def _inputs(
        self, slots: Sequence[int], drafts: Sequence[Sequence[int]], rows: int, queries: int
    ) -> Tensor:
        """Slots, draft counts and drafts as one tensor, ``(1 + queries, rows)``."""
        inputs = torch.zeros(1 + queries, rows, dtype=torch.int32)
        inputs[0] = self._slots.padding_slot
        inputs[0, : len(slots)] = torch.tensor(slots, dtype=torch.int32)
        for row, tokens in enumerate(drafts):
            if tokens:
                inputs[1, row] = len(tokens)
                inputs[2 : 2 + len(tokens), row] = torch.tensor(tokens, dtype=torch.int32)
        return inputs

    def _step(self, inputs: Tensor) -> Tensor:
        rows = StepRows(inputs[0], inputs[1], len(inputs) - 1)
        if rows.queries > 1:
            self._slots.write_drafts(rows.slots, inputs[2:])
        return self._decoder.step(rows)

    @torch.inference_mode()
    def _graph(self, capturer: _Capturer, rows: int, queries: int) -> _DecodeGraph:
        if (rows, queries) not in self._graphs:
            inputs = self._inputs([], [], rows, queries).to(self._slots.device)
            graph, outputs = capturer.capture(lambda: self._step(inputs))
            self._graphs[rows, queries] = _DecodeGraph(inputs, graph, outputs)
        return self._graphs[rows, queries]


def _step_sizes(least_rows: int, most_rows: int) -> Iterator[tuple[int, int]]:
    """Rows and queries of the steps to capture."""
    for rows in sorted({padded_rows(n) for n in range(least_rows, most_rows + 1)}, reverse=True):
        for queries in QUERY_COUNTS if rows <= MAX_DRAFTED_ROWS else (1,):
            yield rows, queries


@dataclass(frozen=True, slots=True)
class _PrefillGraph:
    packed: Tensor
    pictures: Tensor
    graph: torch.cuda.CUDAGraph
    outputs: Tensor


class PrefillGraphs:
    """The decoder's prefills; lots of more than ``max_tokens`` run eagerly.

    Launched one by one, a lot's kernels fill the driver's queue and hold up the thread that also
    launches the steps; a graph is one launch. ``width`` is that of a picture embedding.
    """

    def __init__(
        self, decoder: Decoder, slots: Slots, width: int, *, capture: bool, max_tokens: int = 0
    ) -> None:
        self._decoder = decoder
        self._slots = slots
        self._width = width
        self._sizes = range(PREFILL_STEP, max_tokens + 1, PREFILL_STEP)
        self._graphs: dict[int, _PrefillGraph] = {}
        self._capturer = _Capturer() if capture else None

    def capture(self) -> None:
        """Capture all sizes, the largest first: the others fit into its memory."""
        if self._capturer is not None:
            for tokens in reversed(self._sizes):
                self._graph(self._capturer, tokens)

    def compile(self) -> None:
        """Run all sizes on padding only, to have their kernels compiled."""
        for tokens in self._sizes:
            self._prefill(*self._padding(tokens), tokens)

    def run(self, requests: Sequence[PrefillRequest]) -> Tensor:
        """Compute prompts: :meth:`.ops.Ops.sample`'s rows, overwritten by the next call."""
        count = sum(len(request.ids) for request in requests)
        tokens = next((size for size in self._sizes if size >= count), 0)
        if self._capturer is None or not tokens or len(requests) > MAX_PROMPTS:
            return self._decoder.prefill(requests)
        captured = self._graph(self._capturer, tokens)
        packed = pack(requests, tokens, MAX_PROMPTS, self._slots.padding_slot)
        captured.packed.copy_(packed.pin_memory(), non_blocking=True)
        pictures = [request.picture for request in requests]
        torch.cat(pictures, out=captured.pictures[: sum(map(len, pictures))])
        captured.graph.replay()
        return captured.outputs[: len(requests)]

    def _padding(self, tokens: int) -> tuple[Tensor, Tensor]:
        device = self._slots.device
        packed = pack([], tokens, MAX_PROMPTS, self._slots.padding_slot).to(device)
        dtype = self._decoder.dtype
        return packed, torch.zeros(tokens, self._width, dtype=dtype, device=device)

    def _prefill(self, packed: Tensor, pictures: Tensor, tokens: int) -> Tensor:
        batch = PrefillBatch.unpack(packed, tokens, MAX_PROMPTS)
        return self._decoder.prefill_batch(batch, pictures)

    @torch.inference_mode()
    def _graph(self, capturer: _Capturer, tokens: int) -> _PrefillGraph:
        if tokens not in self._graphs:
            packed, pictures = self._padding(tokens)
            graph, outputs = capturer.capture(lambda: self._prefill(packed, pictures, tokens))
            self._graphs[tokens] = _PrefillGraph(packed, pictures, graph, outputs)
        return self._graphs[tokens]
