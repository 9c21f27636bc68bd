"""CUDA graphs of the vision towers, one for each number of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..cuda_graphs import captured

__all__ = ["VisionGraph"]

_cuda: Any = torch.cuda
"""Any, because torch does not type its streams."""


class VisionGraph:
    """A CUDA graph of the towers for one shape of views.

    Launching the 500 kernels of a page from Python takes about as long as they run. The graph is
    captured on its own stream, so that it shares no cuBLAS workspace with graphs that another
    stream may replay at the same time.

    Args:
        compute: The work. Its result must depend on its argument alone.
        views: An example of the argument.
        beside: A graph whose memory pool this one shares, so that the two must not run at the same
            time.
        rehearsed: Whether as many views of this size were computed before.
    """

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        views: Tensor,
        *,
        beside: VisionGraph | None = None,
        rehearsed: bool = False,
    ) -> None:
        self._input = views.clone()
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        first = None if beside is None else beside._graph
        self._graph: torch.cuda.CUDAGraph
        self._graph, self._output = captured(
            lambda: compute(self._input), self._stream, first, rehearsed=rehearsed
        )

    def __call__(self, views: Tensor) -> Tensor:
        """Compute the result for views, at most as many as were captured."""
        self._input[: len(views)].copy_(views)
        self._graph.replay()
        return self._output[: len(views)].clone()
