"""CUDA graphs of the vision towers, one for each number of views, or of their rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
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
        on_own_stream: Whether it runs beside the work of the current stream, which must
            :meth:`wait` before it uses the result.
        rehearsed: Whether arguments of this shape were computed before.
    """

    def __init__(
        self,
        compute: Callable[..., Tensor],
        *examples: Tensor,
        beside: VisionGraph | None = None,
        on_own_stream: bool = False,
        rehearsed: bool = False,
    ) -> None:
        self._on_own_stream = on_own_stream
        self._inputs = [example.clone() for example in examples]
        self._stream: Any = _cuda.Stream() if beside is None else beside._stream
        first = None if beside is None else beside._graph
        self._graph: torch.cuda.CUDAGraph
        self._graph, self._output = captured(
            lambda: compute(*self._inputs), self._stream, first, rehearsed=rehearsed
        )

    def __call__(self, *given: Tensor) -> Tensor:
        """Compute the result for arguments that are at most as long as those that were captured.

        Returns as many rows as the first argument has. Rows beyond a shorter argument are those of
        an earlier call.
        """
        if not self._on_own_stream:
            return self._replay(given)
        for values in given:
            # Keeps its memory from being reused before the stream has read it.
            values.record_stream(self._stream)
        self._stream.wait_stream(_cuda.current_stream())
        with _cuda.stream(self._stream):
            return self._replay(given)

    def _replay(self, given: Sequence[Tensor]) -> Tensor:
        for buffer, values in zip(self._inputs, given, strict=True):
            buffer[: len(values)].copy_(values)
        self._graph.replay()
        return self._output[: len(given[0])].clone()

    def wait(self) -> None:
        """Have the current stream wait for what runs on the graph's own."""
        if self._on_own_stream:
            _cuda.current_stream().wait_stream(self._stream)


class GraphPool:
    """Graphs that share memory, captured when they are first asked for.

    They must not run at the same time. ``on_own_stream`` is as in :class:`VisionGraph`.
    """

    def __init__(self, *, on_own_stream: bool = False) -> None:
        self._on_own_stream = on_own_stream
        self._graphs: dict[Hashable, VisionGraph] = {}

    def graph(
        self,
        key: Hashable,
        compute: Callable[..., Tensor],
        examples: Callable[[], list[Tensor]],
        *,
        rehearsed: bool = False,
    ) -> VisionGraph:
        """Return the graph of a key.

        ``examples`` makes an example of each argument of the work; ``rehearsed`` is as in
        :class:`VisionGraph`.
        """
        if key not in self._graphs:
            self._graphs[key] = VisionGraph(
                compute,
                *examples(),
                beside=next(iter(self._graphs.values()), None),
                on_own_stream=self._on_own_stream,
                rehearsed=rehearsed,
            )
        return self._graphs[key]

    def wait(self) -> None:
        """Have the current stream wait for all of them."""
        # They share a stream.
        for graph in self._graphs.values():
            graph.wait()
            return
