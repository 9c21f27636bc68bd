"""The engine's process with a device that takes no time and writes random tokens.

Started by engine_host.py in place of :mod:`deepseek_ocr_rag.backends.local.engine_worker`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, cast

import torch

from deepseek_ocr_rag.backends.local import engine_worker as local_worker
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import WrittenSequence

__all__ = ["free_engine", "ordinary"]

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


def free_engine(slots: int = SLOTS) -> Engine:
    """The loop with such a device."""
    return Engine(cast("Any", FreeRunner()), Scheduler(slots=slots, blocks=slots * 40 + 200), 8192)


def main() -> None:
    local_worker.start_engine = lambda checkpoint, settings: free_engine()
    local_worker.main()


if __name__ == "__main__":
    main()
