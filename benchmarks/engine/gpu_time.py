"""How long the GPU takes for something: by its own events, the median of some runs after three others."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

__all__ = ["milliseconds"]


def milliseconds(run: Callable[[], object], repeats: int = 20) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)
