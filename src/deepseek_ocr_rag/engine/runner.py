"""The device's side of the engine: computes prompts and steps, and brings tokens to the host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model.families import Family
from ..model.prompts import Mode
from .cuda_graphs import DecodeGraphs, PrefillGraphs
from .decoder import Decoder
from .kv_cache import CacheType, KVCache
from .ops import Ops
from .prefill import PrefillRequest
from .sequence import WrittenSequence
from .slots import Assignment, Slots, SlotSettings, to_device
from .vision.preprocessing import page_tensors
from .vision.towers import Views, Vision
from .weights.config import EngineConfig
from .weights.tensors import EngineWeights

__all__ = ["PageImage", "Runner", "StepOutput"]

_cuda: Any = torch.cuda
"""Any, because torch does not type its streams and events."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page whose views are made on the device.

    If its pixels are in pinned memory, they are not copied again on their way to a GPU.
    """

    pixels: Tensor  # RGB, uint8, ``(height, width, 3)``; a fourth channel is ignored
    mode: Mode
    family: Family
    max_tiles: int | None = None  # a lower limit than the family's own

    def views(self, device: torch.device) -> Views:
        """Make the views on the device."""
        pixels = self.pixels
        if device.type == "cuda":
            if not pixels.is_pinned():
                pixels = pixels.pin_memory()
            pixels = pixels.to(device, non_blocking=True)
        if pixels.shape[2] > 3:
            pixels = pixels[:, :, :3].contiguous()
        return page_tensors(pixels, self.mode, self.family, max_tiles=self.max_tiles)


class StepOutput:
    """The tokens of a step or a prefill, on their way to the host, see :meth:`.ops.Ops.sample`."""

    def __init__(self, sequences: Sequence[WrittenSequence], queries: int, output: Tensor) -> None:
        self.sequences = tuple(sequences)
        self.queries = queries
        self._done: Any = None
        self._host = output
        if output.is_cuda:
            self._host = torch.empty(output.shape, dtype=output.dtype, pin_memory=True)
            self._host.copy_(output, non_blocking=True)
            self._done = _cuda.Event()
            self._done.record()

    @property
    def is_ready(self) -> bool:
        """Whether it has arrived on the host."""
        return self._done is None or self._done.query()

    def wait(self) -> Iterator[tuple[list[int], list[float]]]:
        """Wait for the new tokens of each sequence and their log-probabilities.

        They are made one after the other: a thousand lists that exist at once would trigger garbage
        collections, which visit every number of every text while the device is idle.
        """
        if self._done is not None:
            self._done.synchronize()
        numbers = self._host.numpy()
        counts = numbers[:, 0].tolist()
        tokens = numbers[:, 1 : 1 + self.queries].ravel().tolist()
        logprobs = numbers[:, 1 + self.queries :].ravel().view(np.float32).tolist()
        starts = range(0, len(tokens), self.queries)
        return (
            (tokens[start : start + count], logprobs[start : start + count])
            for start, count in zip(starts, counts, strict=True)
        )


class Runner:
    """The network and its memory.

    Prompts and steps take turns on one stream. On two, they fill the same multiprocessors and slow
    each other down by more than they overlap (``benchmarks/NOTES.md``).

    ``blocks`` includes block 0; :meth:`resize` changes it. ``max_prefill_tokens`` is the number of
    tokens in the largest prefill that is captured. ``side_by_side`` is as in :class:`.vision.towers.Vision`.
    """

    def __init__(
        self,
        config: EngineConfig,
        weights: EngineWeights,
        ops: Ops,
        *,
        slots: int,
        blocks: int,
        cache: CacheType = "model",
        max_prefill_tokens: int = 8192,
        side_by_side: bool = True,
    ) -> None:
        self.device = weights.decoder.head.device
        self._config = config.decoder
        self._weights = weights.decoder
        self._ops = ops
        self._cache_type = cache
        self._max_prefill_tokens = max_prefill_tokens
        self._slots = Slots.empty(slots, positions=config.decoder.max_positions, device=self.device)
        self._vision = Vision(config, weights.vision, side_by_side=side_by_side)
        self.resize(blocks)
        self._stream = _cuda.Stream() if self.device.type == "cuda" else None
        self._block_table = np.zeros(tuple(self._slots.block_table.shape), np.int32)
        self._known_blocks = [0] * self._slots.padding_slot
        self._changed_slots: list[int] = []

    def resize(self, blocks: int) -> None:
        """Allocate a new cache; the old one's contents are lost."""
        self._cache = KVCache.empty(
            self._config,
            blocks,
            device=self.device,
            dtype=self._weights.head.dtype,
            kind=self._cache_type,
        )
        decoder = Decoder(self._config, self._weights, self._ops, self._cache, self._slots)
        capture = self.device.type == "cuda"
        self._step_graphs = DecodeGraphs(decoder, self._slots, capture=capture)
        self._prefill_graphs = PrefillGraphs(
            decoder,
            self._slots,
            self._config.width,
            capture=capture,
            max_tokens=self._max_prefill_tokens,
        )

    @torch.inference_mode()
    def compile_vision(self, view_sides: Iterable[int]) -> None:
        """Compile the kernels of the towers, by running them once on blank views."""
        self._vision.compile(view_sides)

    @torch.inference_mode()
    def compile_decoder(self) -> None:
        """Compile the kernels of prefills and steps, by running them once on padding."""
        self._prefill_graphs.compile()
        self._step_graphs.compile(1, self._slots.padding_slot)

    @torch.inference_mode()
    def capture_vision(self, view_sides: Sequence[int], *, rehearsed: bool = False) -> None:
        """Capture the graphs of the vision towers, which outlive :meth:`resize`.

        ``rehearsed`` says that a runner of the same shape has run :meth:`compile_vision`.
        """
        with self._on_stream():
            self._vision.capture(view_sides, rehearsed=rehearsed)

    @torch.inference_mode()
    def capture(self, least_rows: int = 1, *, rehearsed: int = 0) -> None:
        """Capture the prefills, and the steps of ``least_rows`` rows and more.

        If ``rehearsed`` is above 0, a runner of the same shape, with that many slots, has run
        :meth:`compile_decoder`. What was not rehearsed is run before it is captured.
        """
        with self._on_stream():
            self._prefill_graphs.capture(rehearsed=rehearsed > 0)
            most = self._slots.padding_slot
            self._step_graphs.capture(least_rows, most, rehearsed=rehearsed)

    @torch.inference_mode()
    def prefill(self, sequences: Sequence[WrittenSequence]) -> StepOutput:
        """Encode pages and compute their prompts.

        Raises:
            torch.OutOfMemoryError: If they are too many for the device's memory.
        """
        with self._on_stream():
            pictures = self._vision.embed([self._views(s.task.picture) for s in sequences])
            for sequence in sequences:
                self._update_block_table(sequence, 0)
            self._assign(sequences)
            self._upload([_slot(sequence) for sequence in sequences])
            requests = [
                PrefillRequest(_slot(sequence), sequence.task.ids, picture)
                for sequence, picture in zip(sequences, pictures, strict=True)
            ]
            return StepOutput(sequences, 1, self._prefill_graphs.run(requests))

    @torch.inference_mode()
    def step(
        self, sequences: Sequence[WrittenSequence], drafts: Sequence[Sequence[int]]
    ) -> StepOutput:
        """Compute the next tokens of sequences whose prompts are computed."""
        with self._on_stream():
            for sequence in sequences:
                self._update_block_table(sequence, self._known_blocks[_slot(sequence)])
            if self._changed_slots:
                self._upload(self._changed_slots)
                self._changed_slots = []
            output = self._step_graphs.run([_slot(sequence) for sequence in sequences], drafts)
            return StepOutput(sequences, (output.shape[1] - 1) // 2, output)

    @torch.inference_mode()
    def swap_out(self, sequence: WrittenSequence, blocks: Sequence[int]) -> None:
        """Copy the keys and values of a sequence to host memory."""
        with self._on_stream():
            sequence.swapped = self._cache.save(blocks)

    @torch.inference_mode()
    def swap_in(self, sequence: WrittenSequence) -> None:
        """Copy its keys and values back, to the slot and blocks that it has now."""
        with self._on_stream():
            self._update_block_table(sequence, 0)
            self._assign([sequence])
            swapped = sequence.swapped
            self._cache.restore(sequence.blocks[: swapped[0].shape[1]], swapped)
            sequence.swapped = None

    def _assign(self, sequences: Sequence[WrittenSequence]) -> None:
        assignments = []
        for sequence in sequences:
            task = sequence.task
            settings = SlotSettings(task.rule, task.min_new_tokens, task.temperature)
            tokens = [*task.ids, *sequence.tokens]
            assignments.append(Assignment(_slot(sequence), tokens, len(task.ids), settings))
        self._slots.assign(assignments)

    def _views(self, picture: Views | PageImage) -> Views:
        return picture.views(self.device) if isinstance(picture, PageImage) else picture

    def _update_block_table(self, sequence: WrittenSequence, known: int) -> None:
        """Add a sequence's new blocks to the host's table, which has the first ``known``."""
        count = len(sequence.blocks)
        if count > known:
            slot = _slot(sequence)
            self._block_table[slot, known:count] = sequence.blocks[known:]
            self._known_blocks[slot] = count
            self._changed_slots.append(slot)

    def _upload(self, slots: Sequence[int]) -> None:
        """Copy slots' rows of the host's block table to the device."""
        rows = np.column_stack((slots, self._block_table[slots])).astype(np.int32)
        on_device = to_device(rows, self.device)
        self._slots.block_table[on_device[:, 0]] = on_device[:, 1:]

    def _on_stream(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._stream is None else _cuda.stream(self._stream)


def _slot(sequence: WrittenSequence) -> int:
    if sequence.slot is None:
        raise ValueError("the sequence has no slot")
    return sequence.slot
