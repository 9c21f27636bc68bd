"""CUDA graphs of the vision towers, one for each number of views, or of their rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from ..cuda_graphs import captured

__all__ = ["GraphPool", "VisionGraph"]

_cuda: Any = torch.cuda
"""Any, because torch does not type its streams."""


class VisionGraph:
    """A CUDA graph of work on the views of pages, for one shape of its arguments.

    Launching the 300 kernels of a page from Python takes about as long as they run. The graph is
    captured on its own stream, so that it shares no cuBLAS workspace with graphs that another
    stream may replay at the same time.

    Args:
        compute: The work. Its result must depend on its arguments alone.
        examples: An example of each argument.
        beside: A graph whose memory pool this one shares, so that the two must not run at the same
            time.
    """

    def __init__(
        self,
        compute: Callable[..., Tensor],
        *examples: Tensor,
        beside: VisionGraph | None = None,
    ) -> None:
        self._inputs = [example.clone() for example in examples]
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        first = None if beside is None else beside._graph
        self._graph: torch.cuda.CUDAGraph
        self._graph, self._output = captured(
            lambda: compute(*self._inputs), self._stream, first, rehearsed=False
        )

    def __call__(self, *given: Tensor) -> Tensor:
        """Compute the result for arguments that are at most as long as those that were captured.

        Returns as many rows as the first argument has. What is missing of an argument is what an earlier
        call left there.
        """
        for buffer, values in zip(self._inputs, given, strict=True):
            buffer[: len(values)].copy_(values)
        self._graph.replay()
        return self._output[: len(given[0])].clone()


class GraphPool:
    """Graphs that share memory, captured when they are first asked for.

    They must not run at the same time.
    """

    def __init__(self) -> None:
        self._graphs: dict[Hashable, VisionGraph] = {}

    def graph(
        self, key: Hashable, compute: Callable[..., Tensor], examples: Callable[[], list[Tensor]]
    ) -> VisionGraph:
        """Return the graph of a key. ``examples`` makes an example of each argument of the work."""
        if key not in self._graphs:
            beside = next(iter(self._graphs.values()), None)
            self._graphs[key] = VisionGraph(compute, *examples(), beside=beside)
        return self._graphs[key]
