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

    def __init__(self, sequences: Sequence[WrittenSequence], queries: int, report: Tensor) -> None:
        self.sequences = tuple(sequences)
        self.queries = queries
        self._done: Any = None
        self._host = report
        if report.is_cuda:
            self._host = torch.empty(report.shape, dtype=report.dtype, pin_memory=True)
            self._host.copy_(report, non_blocking=True)
            self._done = _cuda.Event()
            self._done.record()

    @property
    def is_here(self) -> bool:
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
        operations: Ops,
        *,
        slots: int,
        pages: int,
        cache: CacheType = "model",
    ) -> None:
        self.device = weights.decoder.head.device
        self._config = config.decoder
        self._weights = weights.decoder
        self._operations = operations
        self._kind = cache
        self._slots = Slots.empty(slots, positions=config.decoder.max_positions, device=self.device)
        self._vision = Vision(config, weights.vision)
        self.resize(pages)
        on_gpu = self.device.type == "cuda"
        self._steps = _cuda.Stream() if on_gpu else None
        self._prompts = _cuda.Stream() if on_gpu else None
        self._table = np.zeros(tuple(self._slots.pages.shape), np.int32)
        self._noted = [0] * self._slots.nobody
        self._grown: list[int] = []

    def resize(self, pages: int) -> None:
        """Make a new cache of so many pages; what was in the old one is lost."""
        self._cache = KVCache.empty(
            self._config,
            pages,
            device=self.device,
            dtype=self._weights.head.dtype,
            kind=self._kind,
        )
        decoder = Decoder(self._config, self._weights, self._operations, self._cache, self._slots)
        self._graphs = DecodeGraphs(decoder, self._slots, record=self.device.type == "cuda")
        self._decoder = decoder

    @torch.inference_mode()
    def record(self, least_rows: int = 1) -> None:
        """Record the steps of so many rows and more; others are when they first come."""
        with self._on(self._steps):
            self._graphs.record_from(least_rows, self._slots.nobody)

    @torch.inference_mode()
    def begin(self, sequences: Sequence[WrittenSequence]) -> StepOutput:
        """See pages and compute their prompts.

        Raises:
            torch.OutOfMemoryError: If they are too many for the device.
        """
        if self._prompts is not None:
            # The slots and pages may have been another's in a step that still runs.
            self._prompts.wait_stream(self._steps)
        with self._on(self._prompts):
            for sequence in sequences:
                self._note_pages(sequence, 0)
                self._occupy(sequence)
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
                self._note_pages(sequence, self._noted[_slot(sequence)])
            if self._grown:
                self._upload(self._grown)
                self._grown = []
            report = self._graphs.run([_slot(sequence) for sequence in sequences], drafts)
            return StepOutput(sequences, (report.shape[1] - 1) // 2, report)

    @torch.inference_mode()
    def put_aside(self, sequence: WrittenSequence, pages: Sequence[int]) -> None:
        """Copy the keys and values of a sequence to the host's memory."""
        with self._on(self._steps):
            sequence.saved = self._cache.save(pages)

    @torch.inference_mode()
    def resume(self, sequence: WrittenSequence) -> None:
        """Copy them back, to the slot and pages that it has now."""
        with self._on(self._steps):
            self._note_pages(sequence, 0)
            self._occupy(sequence)
            saved = sequence.saved
            self._cache.restore(sequence.pages[: saved[0].shape[1]], saved)
            sequence.saved = None

    def _occupy(self, sequence: WrittenSequence) -> None:
        task = sequence.task
        settings = SlotSettings(task.rule, task.least_tokens, task.temperature)
        tokens = [*task.ids, *sequence.tokens]
        self._slots.occupy(_slot(sequence), tokens, len(task.ids), settings)

    def _views(self, picture: Views | PageImage) -> Views:
        return picture.views(self.device) if isinstance(picture, PageImage) else picture

    def _note_pages(self, sequence: WrittenSequence, known: int) -> None:
        """Note a sequence's pages in the host's table, from the first that it does not know."""
        count = len(sequence.pages)
        if count > known:
            slot = _slot(sequence)
            self._table[slot, known:count] = sequence.pages[known:]
            self._noted[slot] = count
            self._grown.append(slot)

    def _upload(self, slots: Sequence[int]) -> None:
        """Copy slots' rows of the host's table to the device."""
        rows = torch.from_numpy(np.column_stack((slots, self._table[slots])).astype(np.int32))
        if self.device.type == "cuda":
            rows = rows.pin_memory()
        rows = rows.to(self.device, non_blocking=True)
        self._slots.pages[rows[:, 0]] = rows[:, 1:]

    def _on(self, stream: object | None) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if stream is None else _cuda.stream(stream)


def _slot(sequence: WrittenSequence) -> int:
    if sequence.slot is None:
        raise ValueError("the sequence has no slot")
    return sequence.slot
