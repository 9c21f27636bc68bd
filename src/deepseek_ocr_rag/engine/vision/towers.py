"""Turns the views of pages into the embeddings that the decoder reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import ConfigurationError
from ..slots import to_device
from ..weights.config import ClipConfig, EngineConfig, QwenConfig
from ..weights.tensors import ClipWeights, QwenWeights, VisionWeights
from .clip import Clip
from .graphs import GraphPool, VisionGraph
from .qwen import Qwen
from .sam import Sam
from .second_tower import SecondTower
from .token_order import ROW_END, token_order
from .view_batches import batch_sizes, goes_beside, usable_sizes

__all__ = ["Views", "Vision"]


class Views(Protocol):
    """A page's pixels: :class:`~deepseek_ocr_rag.model.views.PageViews` or ``PageTensors``."""

    @property
    def global_view(self) -> NDArray[np.uint8] | Tensor:
        """The whole page, uint8, shape ``(3, side, side)``."""

    @property
    def tiles(self) -> NDArray[np.uint8] | Tensor:
        """The tiles row by row, uint8, shape ``(columns * rows, 3, side, side)``."""

    @property
    def grid(self) -> tuple[int, int] | None:
        """Columns and rows of tiles, or None for a page without tiles."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Where the rows of some views of a page are among all rows."""

    start: int
    rows: int  # of each view


class Vision:
    """Both towers and the projector.

    Calls share buffers, so they must be made from one thread and on one CUDA stream. The weights
    determine the device and type. ``capture`` says whether to capture a CUDA graph for each number
    of views when it first occurs; None means yes on a GPU. ``side_by_side`` says whether whole pages go
    through the first tower beside tiles, see :func:`.view_batches.goes_beside`.

    Raises:
        ConfigurationError: If the weights do not belong to the configuration.
    """

    def __init__(
        self,
        config: EngineConfig,
        weights: VisionWeights,
        *,
        capture: bool | None = None,
        side_by_side: bool = True,
    ) -> None:
        self._patch = config.sam.patch
        self._weights = weights
        self._sam = Sam(config.sam, weights.sam)
        self._device = weights.view_end.device
        capture = self._device.type == "cuda" if capture is None else capture
        self._graphs = GraphPool() if capture else None
        self._graphs_beside = GraphPool(on_own_stream=True) if capture and side_by_side else None
        self._rows_of, self._second = _second_tower(config, weights, self._graphs)

    def embed(self, pages: Sequence[Views]) -> list[Tensor]:
        """Compute the embeddings of pages, in the order of the prompt's image tokens.

        The views of all pages go through the towers together.

        Returns:
            For each page ``(image tokens, decoder width)``: its tiles as one picture with a row end
            after each row, the whole page likewise, and a view end. The second model has no row
            ends, and its tiles follow each other.

        Raises:
            ConfigurationError: If a view is not square, or its side is not a multiple of the
                patch's.
        """
        if not pages:
            return []
        parts: list[list[Tensor]] = []
        spans: list[list[_Span]] = [[] for _ in pages]
        end = 0
        # Tiles are asked for when the first tower already works on the whole pages.
        for views_of in (_whole, _tiles):
            waiting: defaultdict[int, list[tuple[int, Tensor]]] = defaultdict(list)
            for number, page in enumerate(pages):
                views = views_of(page)
                if views is not None:
                    waiting[views.shape[-1]].append((number, views))
            for group in waiting.values():
                parts.append(self._encode([views for _, views in group]))
                rows = parts[-1][0].shape[1]
                for number, views in group:
                    spans[number].append(_Span(end, rows))
                    end += len(views) * rows
        order = [self._order(page, own, end) for page, own in zip(pages, spans, strict=True)]
        # One gather serves all pages: putting each together from pieces would take ten launches.
        marks = (self._weights.view_end, self._weights.row_end)
        together = [
            self._joined(self._finished(parts)),
            *(mark[None] for mark in marks if mark is not None),
        ]
        index = to_device(np.concatenate(order), self._device)
        return list(torch.split(torch.cat(together)[index], [len(each) for each in order]))

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Compute all rows' features from those of each size."""
        if self._second is not None:
            return self._second(parts)
        return torch.cat([part.flatten(0, 1) for part in parts])

    def _order(self, page: Views, spans: Sequence[_Span], end: int) -> NDArray[np.int32]:
        """Return the indices of a page's tokens among all rows.

        Args:
            page: The page.
            spans: The rows of the whole page, and of its tiles.
            end: The index of the view end, which the row end follows.
        """
        row_ends = self._weights.row_end is not None
        found: list[NDArray[np.int32]] = []
        for number, span in enumerate(spans):
            tokens = span.rows - self._tokens_from
            grid = page.grid if number and page.grid is not None else (1, 1)
            index = token_order(tokens, grid, row_ends=row_ends)
            skipped = (index // tokens + 1) * self._tokens_from
            found.insert(0, np.where(index == ROW_END, end + 1, span.start + index + skipped))
        return np.concatenate([*found, [end]]).astype(np.int32)

    @property
    def _tokens_from(self) -> int:
        """Index of a view's first row that becomes a token: not the second tower's class token."""
        return 0 if self._second is None else 1

    def features(self, views: Tensor) -> Tensor:
        """Send views of one size through the towers.

        Args:
            views: Uint8, ``(count, 3, side, side)``, on the weights' device.

        Returns:
            ``(count, grid * grid, decoder width)``, where grid is side / 64 rounded up.
        """
        (rows,) = self._finished([self._encode([views])])
        joined = self._joined([rows])
        return joined.view(*rows.shape[:2], -1)[:, self._tokens_from :]

    def _begin(self, views: Tensor) -> Tensor:
        """Compute the part that takes views of one size at a time."""
        return self._rows_of(self._sam(views))

    def _encode(self, groups: Sequence[Tensor]) -> list[Tensor]:
        """Begin with groups of views of one size; returns the rows of each batch."""
        side = groups[0].shape[-1]
        if side % self._patch or groups[0].shape[-2] != side:
            raise ConfigurationError(
                f"cannot encode a view of {groups[0].shape[-2]} x {side} pixels",
                remedy=f"Use square views whose side is a multiple of {self._patch}.",
            )
        views = torch.cat([group.to(self._device, non_blocking=True) for group in groups])
        sizes = batch_sizes(len(views), self._patches(side))
        graphs = [self._graph(size, side) for size in sizes]
        # The last batch may hold fewer views than its size: its graph pads them.
        sizes[-1] -= sum(sizes) - len(views)
        batches = zip(graphs, torch.split(views, sizes), strict=True)
        return [(graph or self._begin)(batch) for graph, batch in batches]

    def _finished(self, parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Join the batches of each size once all have been computed."""
        if self._graphs_beside is not None:
            self._graphs_beside.wait()
        return [torch.cat(list(batches)) for batches in parts]

    def _graph(self, size: int, side: int, *, rehearsed: bool = False) -> VisionGraph | None:
        pool = self._graphs
        if self._graphs_beside is not None and goes_beside(size, self._patches(side)):
            pool = self._graphs_beside
        if pool is None:
            return None
        blank = partial(self._blank, size, side)
        return pool.graph((size, side), self._begin, blank, rehearsed=rehearsed)

    def _blank(self, size: int, side: int) -> list[Tensor]:
        return [torch.zeros(size, 3, side, side, dtype=torch.uint8, device=self._device)]

    def _patches(self, side: int) -> int:
        return (side // self._patch) ** 2

    def capture(self, sides: Sequence[int], *, rehearsed: bool = False) -> None:
        """Capture every batch of views of these sides, the largest first.

        ``rehearsed`` says that towers of the same shape have run :meth:`compile`; otherwise each is
        run before it is captured.
        """
        if self._graphs is None:
            return
        if rehearsed:
            # Fills the tables of these towers, which cannot be done while a graph is captured.
            for side in sides:
                self._begin(*self._blank(1, side))
            torch.cuda.empty_cache()
        for side in sides:
            for size in usable_sizes(self._patches(side)):
                self._graph(size, side, rehearsed=rehearsed)
        if self._second is not None:
            self._second.capture(rehearsed=rehearsed)

    def compile(self, sides: Iterable[int]) -> None:
        """Compile the kernels of every batch of views of these sides, by running it once."""
        for side in sides:
            for size in usable_sizes(self._patches(side)):
                self._begin(*self._blank(size, side))
        if self._second is not None:
            self._second.compile()


def _second_tower(
    config: EngineConfig, weights: VisionWeights, graphs: GraphPool | None
) -> tuple[Callable[[Tensor], Tensor], SecondTower | None]:
    """Return what makes rows of the first tower's output, and what encodes all rows, if any."""
    if isinstance(config.second, QwenConfig) and isinstance(weights.second, QwenWeights):
        qwen = Qwen(config.second, weights.second)
        return lambda patches: weights.projector(qwen(patches)), None
    if isinstance(config.second, ClipConfig) and isinstance(weights.second, ClipWeights):
        clip = Clip(config.second, weights.second)
        return clip.rows, SecondTower(clip, weights.projector, graphs)
    raise ConfigurationError(
        "the weights do not belong to the second tower of the configuration",
        remedy="Use the config.json that is published with the weights.",
    )


def _whole(page: Views) -> Tensor:
    return torch.as_tensor(page.global_view)[None]


def _tiles(page: Views) -> Tensor | None:
    return None if page.grid is None else torch.as_tensor(page.tiles)
