"""Sends views of all sizes through the first model's second tower together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..slots import to_device
from ..weights.tensors import Linear
from .clip import Clip
from .graphs import GraphPool
from .view_batches import ROWS, row_batches, row_tiles, rows_of_graph, tiles_of_graph

__all__ = ["SecondTower"]


class SecondTower:
    """The second tower and the projector, for the rows that :meth:`.clip.Clip.rows` makes of views.

    ``graphs`` is None to capture none.
    """

    def __init__(self, clip: Clip, projector: Linear, graphs: GraphPool | None) -> None:
        self._clip = clip
        self._projector = projector
        self._graphs = graphs

    def __call__(self, views: Sequence[Tensor]) -> Tensor:
        """Encode views, given for each size as ``(views, rows, channels)``.

        Returns all rows, one view after the other: ``(rows, decoder width)``.
        """
        rows = torch.cat([each.flatten(0, 1) for each in views])
        batches = row_batches([each.shape[1] for each in views for _ in each])
        parts = torch.split(rows, [sum(batch) for batch in batches])
        return torch.cat(
            [self._encode(part, batch) for part, batch in zip(parts, batches, strict=True)]
        )

    def _encode(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        tiles = row_tiles(lengths)
        size = rows_of_graph(len(rows), len(tiles))
        if self._graphs is None or size is None:
            return self._compute(rows, to_device(tiles, rows.device))
        # Zeros take the place of an earlier call's tiles.
        padded = np.zeros((tiles_of_graph(size), 3), np.int32)
        padded[: len(tiles)] = tiles
        graph = self._graphs.graph(size, self._compute, partial(self._examples, size))
        return graph(rows, to_device(padded, rows.device))

    def _compute(self, rows: Tensor, tiles: Tensor) -> Tensor:
        projected: Tensor = self._projector(self._clip(rows, tiles))
        return projected

    def _examples(self, size: int) -> list[Tensor]:
        weight = self._projector.weight
        rows = torch.zeros(size, weight.shape[1], dtype=weight.dtype, device=weight.device)
        tiles = torch.zeros(tiles_of_graph(size), 3, dtype=torch.int32, device=weight.device)
        return [rows, tiles]

    def capture(self, *, rehearsed: bool) -> None:
        """Capture all graphs, the largest first; ``rehearsed`` as in :meth:`.towers.Vision.capture`."""
        if self._graphs is not None:
            for size in reversed(ROWS):
                examples = partial(self._examples, size)
                self._graphs.graph(size, self._compute, examples, rehearsed=rehearsed)

    def compile(self) -> None:
        """Compile the kernels of all graphs, by running their work once."""
        for size in ROWS:
            self._compute(*self._examples(size))
