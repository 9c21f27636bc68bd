"""Decode steps recorded once and replayed by the GPU itself, for a few sizes of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from .decoder import Decoder
from .ops import StepRows
from .slots import MAX_DRAFTS, Slots

__all__ = ["MAX_DRAFTED_ROWS", "DecodeGraphs", "padded_rows"]

_cuda: Any = torch.cuda
"""Its streams have no types of their own."""

FEW: Final = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)
FURTHER: Final = 64
"""Rows of the recorded steps; above 256 every multiple of 64."""

QUERIES: Final = (1, 4, 8, MAX_DRAFTS + 1)
"""Tokens a row of the recorded steps."""

MAX_DRAFTED_ROWS: Final = 4
"""Steps of more rows take no drafts: they would have to compute, not only to wait on memory."""


def padded_rows(rows: int) -> int:
    """Rows of the smallest recorded step that holds so many."""
    if rows <= FEW[-1]:
        return next(size for size in FEW if size >= rows)
    return -(-rows // FURTHER) * FURTHER


@dataclass(frozen=True, slots=True)
class _Recorded:
    inputs: Tensor
    graph: torch.cuda.CUDAGraph
    outputs: Tensor


class DecodeGraphs:
    """The decoder's steps. Without a GPU, or without recording, they run as they are.

    Args:
        decoder: What is recorded.
        slots: Its sequences.
        record: Whether to record; a size is recorded when it first comes.
    """

    def __init__(self, decoder: Decoder, slots: Slots, *, record: bool) -> None:
        self._decoder = decoder
        self._slots = slots
        self._record = record
        self._recorded: dict[tuple[int, int], _Recorded] = {}
        self._first: torch.cuda.CUDAGraph | None = None
        # See VisionGraph: what runs beside these must have been recorded on another one.
        self._stream: Any = _cuda.Stream() if record else None

    def capture(self, least_rows: int, most_rows: int) -> None:
        """Record these sizes now, the largest first: the others fit into its memory."""
        sizes = {padded_rows(rows) for rows in range(least_rows, most_rows + 1)}
        for rows in sorted(sizes, reverse=True):
            for queries in QUERIES if rows <= MAX_DRAFTED_ROWS else (1,):
                self._of_size(rows, queries)

    def run(self, slots: Sequence[int], drafts: Sequence[Sequence[int]]) -> Tensor:
        """One step.

        Args:
            slots: Of the sequences.
            drafts: For each, what probably follows; at most ``MAX_DRAFTS``.

        Returns:
            What :meth:`.ops.Ops.choose` reports, a row for each
            sequence. It is overwritten by the next step.
        """
        longest = max(map(len, drafts), default=0)
        queries = next(size for size in QUERIES if size > longest)
        if not self._record:
            inputs = self._inputs(slots, drafts, len(slots), queries)
            return self._step(inputs.to(self._slots.device))
        recorded = self._of_size(padded_rows(len(slots)), queries)
        inputs = self._inputs(slots, drafts, recorded.inputs.shape[1], queries)
        recorded.inputs.copy_(inputs.pin_memory(), non_blocking=True)
        recorded.graph.replay()
        return recorded.outputs[: len(slots)]

    def _inputs(
        self, slots: Sequence[int], drafts: Sequence[Sequence[int]], rows: int, queries: int
    ) -> Tensor:
        """Slots, numbers of drafts and the drafts as one tensor, ``(1 + queries, rows)``."""
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

    def _of_size(self, rows: int, queries: int) -> _Recorded:
        if (rows, queries) not in self._recorded:
            self._recorded[rows, queries] = self._new(rows, queries)
        return self._recorded[rows, queries]

    @torch.inference_mode()
    def _new(self, rows: int, queries: int) -> _Recorded:
        inputs = self._inputs([], [], rows, queries).to(self._slots.device)
        # Once outside: kernels are compiled and workspaces taken, which cannot be recorded.
        self._step(inputs)
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        # Steps never run side by side, so all of them may use the first one's memory.
        pool = None if self._first is None else self._first.pool()
        with torch.cuda.graph(
            graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            outputs = self._step(inputs)
        self._first = self._first or graph
        return _Recorded(inputs, graph, outputs)
