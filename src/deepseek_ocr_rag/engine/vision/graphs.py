"""The towers' work for a number of views, recorded once and replayed by the GPU itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["VisionGraph"]

_cuda: Any = torch.cuda
"""Its streams have no types of their own."""


class VisionGraph:
    """A CUDA graph of the work on one shape of views.

    Started from Python, the some 500 kernels of a page cost about as long as
    they run, and hold up the thread that feeds the decoder.

    Args:
        compute: The work, a function of its argument alone.
        views: An example of the argument.
        beside: A graph whose memory this one uses too; never replayed at the
            same time.

    Recorded on a stream of their own: on PyTorch's, which all recordings share, they
    would use the same workspace of matrix products as the decoder's steps, which are
    replayed at the same time.
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
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        with torch.cuda.graph(
            self._graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            self._output = compute(self._input)

    def __call__(self, views: Tensor) -> Tensor:
        """The result for views of the recorded shape."""
        self._input.copy_(views)
        self._graph.replay()
        return self._output.clone()
