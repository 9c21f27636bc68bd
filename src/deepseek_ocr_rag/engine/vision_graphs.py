"""The towers' work for a number of views, recorded once and replayed by the GPU itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["VisionGraph"]


class VisionGraph:
    """A CUDA graph of the work on one shape of views.

    Started from Python, the some 500 kernels of a page cost about as long as
    they run, and hold up the thread that feeds the decoder.

    Args:
        compute: The work, a function of its argument alone.
        views: An example of the argument.
        beside: A graph whose memory this one uses too; never replayed at the
            same time.
    """

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        views: Tensor,
        *,
        beside: VisionGraph | None = None,
    ) -> None:
        self._input = views.clone()
        # Once outside: kernels are compiled and tables filled, which cannot be recorded.
        compute(self._input)
        self._graph = torch.cuda.CUDAGraph()
        pool = None if beside is None else beside._graph.pool()
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._output = compute(self._input)

    def __call__(self, views: Tensor) -> Tensor:
        """The result for views of the recorded shape."""
        self._input.copy_(views)
        self._graph.replay()
        return self._output.clone()
