"""The device's side: begins pages, computes steps, and brings back what was written."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model.families import Family
from ..model.prompts import Mode
from .cuda_graphs import DecodeGraphs
from .decoder import Decoder, PrefillRequest
from .kv_cache import CacheType, KVCache
from .ops import Ops
from .sequence import WrittenSequence
from .slots import Slots, SlotSettings
from .vision.preprocessing import page_tensors
from .vision.towers import Views, Vision
from .weights.config import EngineConfig
from .weights.tensors import EngineWeights

__all__ = ["PageImage", "Runner", "StepOutput"]

_cuda: Any = torch.cuda
"""Its streams and events have no types of their own."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page whose views are made on the device.

    Attributes:
        pixels: RGB, uint8, ``(height, width, 3)``, or with a fourth channel
            that does not count. A GPU takes them at once from pinned memory.
        mode: How large the model sees it.
        family: Which model sees it.
        max_tiles: Fewer tiles than the family's most.
    """

    pixels: Tensor
    mode: Mode
    family: Family
    max_tiles: int | None = None

    def views(self, device: torch.device) -> Views:
        """The views, made on the device."""
        pixels = self.pixels
        if device.type == "cuda":
            if not pixels.is_pinned():
                pixels = pixels.pin_memory()
            pixels = pixels.to(device, non_blocking=True)
        if pixels.shape[2] > 3:
            pixels = pixels[:, :, :3].contiguous()
        return page_tensors(pixels, self.mode, self.family, max_tiles=self.max_tiles)


class StepOutput:
    """What a step writes, on its way to the host.

    Args:
        sequences: Whose tokens they are, row by row.
        queries: Most new tokens of each.
        report: From :meth:`.operations.Ops.choose`.
    """

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
        """Whether it has arrived."""
        return self._done is None or self._done.query()

    def wait(self) -> list[tuple[list[int], list[float]]]:
        """New tokens of each sequence, and their log-probabilities."""
        if self._done is not None:
            self._done.synchronize()
        numbers = self._host.numpy()
        counts = numbers[:, 0].tolist()
        tokens = numbers[:, 1 : 1 + self.queries].tolist()
        logprobs = numbers[:, 1 + self.queries :].copy().view(np.float32).tolist()
        return [
            (written[:count], odds[:count])
            for count, written, odds in zip(counts, tokens, logprobs, strict=True)
        ]


class Runner:
    """The network and its memory.

    Prompts are computed on a stream of their own, beside the steps: those wait on
    arithmetic, these on memory.

    Args:
        config: The sizes.
        weights: The tensors.
        operations: What computes the decoder.
        slots: Sequences at once.
        pages: Pages of the cache, page 0 included; :meth:`resize` makes another.
        cache: How keys and values are stored.
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
    ) -> None:
        self.device = weights.decoder.head.device
        self._config = config.decoder
        self._weights = weights.decoder
        self._ops = ops
        self._kind = cache
        self._slots = Slots.empty(slots, positions=config.decoder.max_positions, device=self.device)
        self._vision = Vision(config, weights.vision)
        self.resize(blocks)
        on_gpu = self.device.type == "cuda"
        self._steps = _cuda.Stream() if on_gpu else None
        self._prompts = _cuda.Stream() if on_gpu else None
        self._table = np.zeros(tuple(self._slots.block_table.shape), np.int32)
        self._known_blocks = [0] * self._slots.padding_slot
        self._changed_slots: list[int] = []

    def resize(self, blocks: int) -> None:
        """Make a new cache of so many pages; what was in the old one is lost."""
        self._cache = KVCache.empty(
            self._config,
            blocks,
            device=self.device,
            dtype=self._weights.head.dtype,
            kind=self._kind,
        )
        decoder = Decoder(self._config, self._weights, self._ops, self._cache, self._slots)
        self._graphs = DecodeGraphs(decoder, self._slots, record=self.device.type == "cuda")
        self._decoder = decoder

    @torch.inference_mode()
    def record(self, least_rows: int = 1) -> None:
        """Record the steps of so many rows and more; others are when they first come."""
        with self._on(self._steps):
            self._graphs.capture(least_rows, self._slots.padding_slot)

    @torch.inference_mode()
    def prefill(self, sequences: Sequence[WrittenSequence]) -> StepOutput:
        """See pages and compute their prompts.

        Raises:
            torch.OutOfMemoryError: If they are too many for the device.
        """
        if self._prompts is not None:
            # The slots and pages may have been another's in a step that still runs.
            self._prompts.wait_stream(self._steps)
        with self._on(self._prompts):
            for sequence in sequences:
                self._update_block_table(sequence, 0)
                self._assign(sequence)
            self._upload([_slot(sequence) for sequence in sequences])
            pictures = self._vision.embed([self._views(s.task.picture) for s in sequences])
            prompts = [
                PrefillRequest(_slot(sequence), sequence.task.ids, picture)
                for sequence, picture in zip(sequences, pictures, strict=True)
            ]
            return StepOutput(sequences, 1, self._decoder.prefill(prompts))

    @torch.inference_mode()
    def step(
        self, sequences: Sequence[WrittenSequence], drafts: Sequence[Sequence[int]]
    ) -> StepOutput:
        """Write the next tokens of sequences that have begun."""
        with self._on(self._steps):
            for sequence in sequences:
                self._update_block_table(sequence, self._known_blocks[_slot(sequence)])
            if self._changed_slots:
                self._upload(self._changed_slots)
                self._changed_slots = []
            output = self._graphs.run([_slot(sequence) for sequence in sequences], drafts)
            return StepOutput(sequences, (output.shape[1] - 1) // 2, output)

    @torch.inference_mode()
    def swap_out(self, sequence: WrittenSequence, blocks: Sequence[int]) -> None:
        """Copy the keys and values of a sequence to the host's memory."""
        with self._on(self._steps):
            sequence.swapped = self._cache.save(blocks)

    @torch.inference_mode()
    def swap_in(self, sequence: WrittenSequence) -> None:
        """Copy them back, to the slot and pages that it has now."""
        with self._on(self._steps):
            self._update_block_table(sequence, 0)
            self._assign(sequence)
            swapped = sequence.swapped
            self._cache.restore(sequence.blocks[: swapped[0].shape[1]], swapped)
            sequence.swapped = None

    def _assign(self, sequence: WrittenSequence) -> None:
        task = sequence.task
        settings = SlotSettings(task.rule, task.min_new_tokens, task.temperature)
        tokens = [*task.ids, *sequence.tokens]
        self._slots.assign(_slot(sequence), tokens, len(task.ids), settings)

    def _views(self, picture: Views | PageImage) -> Views:
        return picture.views(self.device) if isinstance(picture, PageImage) else picture

    def _update_block_table(self, sequence: WrittenSequence, known: int) -> None:
        """Note a sequence's pages in the host's table, from the first that it does not know."""
        count = len(sequence.blocks)
        if count > known:
            slot = _slot(sequence)
            self._table[slot, known:count] = sequence.blocks[known:]
            self._known_blocks[slot] = count
            self._changed_slots.append(slot)

    def _upload(self, slots: Sequence[int]) -> None:
        """Copy slots' rows of the host's table to the device."""
        rows = torch.from_numpy(np.column_stack((slots, self._table[slots])).astype(np.int32))
        if self.device.type == "cuda":
            rows = rows.pin_memory()
        rows = rows.to(self.device, non_blocking=True)
        self._slots.block_table[rows[:, 0]] = rows[:, 1:]

    def _on(self, stream: object | None) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if stream is None else _cuda.stream(stream)


def _slot(sequence: WrittenSequence) -> int:
    if sequence.slot is None:
        raise ValueError("the sequence has no slot")
    return sequence.slot
