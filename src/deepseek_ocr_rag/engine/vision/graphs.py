"""CUDA graphs of the vision towers, one for each number of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

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
    """

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        views: Tensor,
        *,
        beside: VisionGraph | None = None,
    ) -> None:
        self._input = views.clone()
        # Run it once before: compiling kernels and filling tables cannot be captured.
        compute(self._input)
        self._graph = torch.cuda.CUDAGraph()
        pool = None if beside is None else beside._graph.pool()
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        with torch.cuda.graph(
            self._graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            self._output = compute(self._input)

    def __call__(self, views: Tensor) -> Tensor:
        """Compute the result for views, at most as many as were captured."""
        self._input[: len(views)].copy_(views)
        self._graph.replay()
        return self._output[: len(views)].clone()
