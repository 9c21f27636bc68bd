"""Captures decode steps and prefills as CUDA graphs for a few sizes, and replays them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from .decoder import ROWS_STEP, Decoder
from .ops import StepRows
from .prefill import PrefillBatch, PrefillRequest, pack
from .slots import MAX_DRAFTS, Slots

__all__ = [
    "MAX_DRAFTED_ROWS",
    "MAX_PROMPTS",
    "DecodeGraphs",
    "PrefillGraphs",
    "captured",
    "padded_rows",
]

_cuda: Any = torch.cuda
"""Any, because torch does not type its streams."""

SMALL_BATCHES: Final = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)
"""Row counts of the captured steps; above 256 every multiple of 64."""

QUERY_COUNTS: Final = (1, 4, 8, MAX_DRAFTS + 1)
"""Queries per row of the captured steps."""

MAX_DRAFTED_ROWS: Final = 4
"""Most rows of a step with drafts. A small step waits on memory, so that drafts are free; a larger
one would have to compute more."""

PREFILL_STEP: Final = 928
"""Prefills are captured for every multiple of this number of tokens, and for the largest prefill.
Padding is computed too, so a multiple should just hold the prompts of A4 pages, each with 903
tokens for its picture and a few for the task."""

MAX_PROMPTS: Final = 16
"""Most prompts of a captured prefill."""


def padded_rows(rows: int) -> int:
    """Return the rows of the smallest captured step that holds ``rows``."""
    if rows <= SMALL_BATCHES[-1]:
        return next(size for size in SMALL_BATCHES if size >= rows)
    return -(-rows // ROWS_STEP) * ROWS_STEP


def captured(
    work: Callable[[], Tensor],
    stream: torch.cuda.Stream,
    beside: torch.cuda.CUDAGraph | None,
    *,
    rehearsed: bool,
) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """Capture some work on a stream; return its graph, and the tensor that holds its result.

    Compiling and loading kernels, and filling tables, cannot be captured.

    Args:
        work: The work. It must read only tensors that stay allocated.
        stream: A stream with no other work on it.
        beside: A graph whose memory this one shares, so that the two must not run at the same time.
        rehearsed: Whether the same work was run before; if not, it is run now.
    """
    if not rehearsed:
        work()
        # The graph allocates memory of its own: release what this run has cached.
        torch.cuda.empty_cache()
    graph = torch.cuda.CUDAGraph()
    pool = None if beside is None else beside.pool()
    torch.cuda.synchronize()
    # Not `torch.cuda.graph`, which empties the caches each time and so takes 2 ms longer.
    with _cuda.stream(stream):
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            outputs = work()
        finally:
            graph.capture_end()
    return graph, outputs


class _Capturer:
    """Captures graphs that share memory, because they never run at the same time."""

    def __init__(self) -> None:
        self._stream: Any = _cuda.Stream()
        self._first: torch.cuda.CUDAGraph | None = None

    def capture(
        self, work: Callable[[], Tensor], *, rehearsed: bool
    ) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Capture some work, see :func:`captured`."""
        graph, outputs = captured(work, self._stream, self._first, rehearsed=rehearsed)
        self._first = self._first or graph
        return graph, outputs


@dataclass(frozen=True, slots=True)
class _DecodeGraph:
    inputs: Tensor
    given: Tensor  # the same on the host
    graph: torch.cuda.CUDAGraph
    outputs: Tensor


class DecodeGraphs:
    """Runs the decoder's steps eagerly, or as graphs that are captured when a size first occurs."""

    def __init__(self, decoder: Decoder, slots: Slots, *, capture: bool) -> None:
        self._decoder = decoder
        self._slots = slots
        self._graphs: dict[tuple[int, int], _DecodeGraph] = {}
        self._capturer = _Capturer() if capture else None

    def capture(self, least_rows: int, most_rows: int, *, rehearsed: int = 0) -> None:
        """Capture a range of sizes, the largest first, because the others fit into its memory.

        Those of up to ``rehearsed`` rows were run before, see :meth:`compile`.
        """
        if self._capturer is not None:
            for rows, queries in _step_sizes(least_rows, most_rows):
                self._graph(self._capturer, rows, queries, rehearsed=rows <= rehearsed)

    def compile(self, least_rows: int, most_rows: int) -> None:
        """Run a range of sizes on padding only, to have their kernels compiled."""
        for rows, queries in _step_sizes(least_rows, most_rows):
            self._step(self._inputs([], [], rows, queries).to(self._slots.device))

    def run(self, slots: Sequence[int], drafts: Sequence[Sequence[int]]) -> Tensor:
        """Run one step, with at most ``MAX_DRAFTS`` drafts for each sequence.

        Returns:
            The result of :meth:`.ops.Ops.sample`, a row for each sequence; the next step
            overwrites it.
        """
        longest = max(map(len, drafts), default=0)
        queries = next(size for size in QUERY_COUNTS if size > longest)
        if self._capturer is None:
            inputs = self._inputs(slots, drafts, len(slots), queries)
            return self._step(inputs.to(self._slots.device))
        captured = self._graph(self._capturer, padded_rows(len(slots)), queries)
        inputs = self._inputs(slots, drafts, captured.inputs.shape[1], queries)
        # They are mostly those of the step before, and a copy would make the device wait.
        if not torch.equal(inputs, captured.given):
            captured.given.copy_(inputs)
            captured.inputs.copy_(inputs.pin_memory(), non_blocking=True)
        captured.graph.replay()
        return captured.outputs[: len(slots)]

    def _inputs(
        self, slots: Sequence[int], drafts: Sequence[Sequence[int]], rows: int, queries: int
    ) -> Tensor:
        """Pack slots, draft counts and drafts into one tensor, ``(1 + queries, rows)``."""
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
    def _graph(
        self, capturer: _Capturer, rows: int, queries: int, *, rehearsed: bool = False
    ) -> _DecodeGraph:
        if (rows, queries) not in self._graphs:
            given = self._inputs([], [], rows, queries)
            inputs = given.to(self._slots.device)
            graph, outputs = capturer.capture(lambda: self._step(inputs), rehearsed=rehearsed)
            self._graphs[rows, queries] = _DecodeGraph(inputs, given, graph, outputs)
        return self._graphs[rows, queries]


def _step_sizes(least_rows: int, most_rows: int) -> Iterator[tuple[int, int]]:
    """Yield the rows and queries of the steps to capture."""
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
    """Runs the decoder's prefills; those of more than ``max_tokens`` run eagerly.

    Launched one by one, the kernels of a prefill fill the driver's queue and hold up the thread
    that also launches the steps; a graph is one launch. ``width`` is that of a picture embedding.
    """

    def __init__(
        self, decoder: Decoder, slots: Slots, width: int, *, capture: bool, max_tokens: int = 0
    ) -> None:
        self._decoder = decoder
        self._slots = slots
        self._width = width
        self._sizes = sorted({*range(PREFILL_STEP, max_tokens, PREFILL_STEP), max_tokens} - {0})
        self._graphs: dict[int, _PrefillGraph] = {}
        self._capturer = _Capturer() if capture else None

    def capture(self, *, rehearsed: bool = False) -> None:
        """Capture all sizes, the largest first, because the others fit into its memory.

        ``rehearsed`` says that they were run before, see :meth:`compile`.
        """
        if self._capturer is not None:
            for tokens in reversed(self._sizes):
                self._graph(self._capturer, tokens, rehearsed=rehearsed)

    def compile(self) -> None:
        """Run all sizes on padding only, to have their kernels compiled."""
        for tokens in self._sizes:
            self._prefill(*self._padding(tokens), tokens)

    def run(self, requests: Sequence[PrefillRequest]) -> Tensor:
        """Compute prompts.

        Returns:
            The result of :meth:`.ops.Ops.sample`, a row for each prompt; the next call overwrites
            it.
        """
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
    def _graph(self, capturer: _Capturer, tokens: int, *, rehearsed: bool = False) -> _PrefillGraph:
        if tokens not in self._graphs:
            packed, pictures = self._padding(tokens)
            graph, outputs = capturer.capture(
                lambda: self._prefill(packed, pictures, tokens), rehearsed=rehearsed
            )
            self._graphs[tokens] = _PrefillGraph(packed, pictures, graph, outputs)
        return self._graphs[tokens]
