"""The engine's process with a device that takes no time and writes random tokens.

Started by engine_host.py in place of :mod:`deepseek_ocr_rag.backends.local.engine_entry`. A
:class:`CountedRunner` counts what an H200 would take, so that the loop's order of steps and prompts
can be judged without a GPU.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from deepseek_ocr_rag.backends.local import engine_entry, engine_worker
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import WrittenSequence

__all__ = ["CountedRunner", "free_engine", "ordinary"]

SLOTS = 512
ORDINARY = (3, 120_000)
"""Ids of tokens that are text."""
_TOKENS = [random.randrange(*ORDINARY) for _ in range(2**16)]


def ordinary(count: int) -> list[int]:
    """Random tokens."""
    start = random.randrange(len(_TOKENS) - count)
    return _TOKENS[start : start + count]


class FreeReport:
    """Random tokens, at once."""

    is_ready = True
    queries = 1

    def __init__(self, sequences: Sequence[WrittenSequence]) -> None:
        self.sequences = tuple(sequences)

    def wait(self) -> list[tuple[list[int], list[float]]]:
        return [([token], [-0.5]) for token in ordinary(len(self.sequences))]


class FreeRunner:
    """A device that takes no time."""

    device = torch.device("cpu")

    def prefill(self, sequences: Sequence[WrittenSequence]) -> FreeReport:
        return FreeReport(sequences)

    def step(self, sequences: Sequence[WrittenSequence], drafts: object) -> FreeReport:
        return FreeReport(sequences)


ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
STEP_MS = (0.59, 0.63, 0.67, 0.69, 0.72, 0.78, 1.05, 1.5, 1.8, 1.75)
"""Rows of a step, and what it takes without its attention. In the engine, random weights send the
rows to fewer experts than in a step of random tokens."""
BYTES_PER_MS = {"model": 4.0e9, "fp8": 3.6e9}
"""What attention reads: eight bits must be converted, which takes longest in steps of few rows."""
TOKEN_BYTES = {"model": 61_440, "fp8": 32_640}
"""Bytes of the cache that attention reads for a token."""
PROMPT_MS = 9.6


class CountedReport(FreeReport):
    """Random tokens, once the device has done what came before."""

    def __init__(
        self, sequences: Sequence[WrittenSequence], runner: CountedRunner, ms: float
    ) -> None:
        super().__init__(sequences)
        self._runner = runner
        runner.device = max(runner.device, runner.clock) + ms
        self._end = runner.device

    @property
    def is_ready(self) -> bool:  # type: ignore[override]
        return self._runner.clock >= self._end

    def wait(self) -> list[tuple[list[int], list[float]]]:
        self._runner.clock = max(self._runner.clock, self._end)
        return super().wait()


class CountedRunner:
    """An H200 whose time is counted, from figures of 2026-11-30; the host takes none."""

    clock = 0.0
    """Milliseconds that have passed for the host."""
    device = 0.0
    """When the device has done all that it was given."""

    def __init__(self, cache: str) -> None:
        self._token_bytes = TOKEN_BYTES[cache]
        self._bytes_per_ms = BYTES_PER_MS[cache]
        self.all_are_there = threading.Event()

    def prefill(self, sequences: Sequence[WrittenSequence]) -> CountedReport:
        self.all_are_there.wait()
        return CountedReport(sequences, self, PROMPT_MS * len(sequences))

    def step(self, sequences: Sequence[WrittenSequence], drafts: object) -> CountedReport:
        read = self._token_bytes * sum(sequence.length for sequence in sequences)
        took = float(np.interp(len(sequences), ROWS, STEP_MS)) + read / self._bytes_per_ms
        return CountedReport(sequences, self, took)


def free_engine(slots: int = SLOTS) -> Engine:
    """The loop with such a device."""
    return Engine(cast("Any", FreeRunner()), Scheduler(slots=slots, blocks=slots * 40 + 200), 8192)


def main() -> None:
    engine_worker.start_engine = lambda checkpoint, settings: free_engine()
    engine_entry.main()


if __name__ == "__main__":
    main()
