"""CUDA graphs of the vision towers, one for each number of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["VisionGraph"]

_cuda: Any = torch.cuda
"""Its streams have no types of their own."""


class VisionGraph:
    """A CUDA graph of the towers for one shape of views.

    Launching the 500 kernels of a page from Python takes about as long as they run. Captured on a
    stream of its own, so that it shares no cuBLAS workspace with graphs that another stream may
    replay at the same time. ``compute`` must depend on its argument alone, of which ``views`` is an
    example; ``beside`` is a graph whose memory pool this one shares: the two never run at the same
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
        # Once outside: compiling kernels and filling tables cannot be captured.
        compute(self._input)
        self._graph = torch.cuda.CUDAGraph()
        pool = None if beside is None else beside._graph.pool()
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        with torch.cuda.graph(
            self._graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            self._output = compute(self._input)

    def __call__(self, views: Tensor) -> Tensor:
        """The result for at most as many views as were captured."""
        self._input[: len(views)].copy_(views)
        self._graph.replay()
        return self._output[: len(views)].clone()
