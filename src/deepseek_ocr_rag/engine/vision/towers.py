"""Turns the views of pages into the embeddings that the decoder reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import ConfigurationError
from ..weights.config import ClipConfig, EngineConfig, QwenConfig
from ..weights.tensors import ClipWeights, QwenWeights, VisionWeights
from .clip import Clip
from .graphs import VisionGraph
from .qwen import Qwen
from .sam import Sam

__all__ = ["Views", "Vision", "batch_sizes"]

BATCHES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""How many views go through the towers at once. 6 is a portrait page's tiles."""

BATCH_PATCHES: Final = 40_000
"""Most patches that go through the towers at once: 24 tiles of 640 or 8 views of
1,024. An H200 is busy from a quarter of this; it takes 0.7 GiB at the published
sizes (``benchmarks/engine/vision.py``)."""


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


class Vision:
    """Both towers and the projector.

    Calls share buffers: make them from one thread and on one CUDA stream.

    Args:
        config: The sizes of the network.
        weights: Its tensors; they determine the device and type of the computation.
        capture: Whether to capture a CUDA graph for each number of views when it
            first occurs. None means yes on a GPU.
    """

    def __init__(
        self, config: EngineConfig, weights: VisionWeights, *, capture: bool | None = None
    ) -> None:
        self._patch = config.sam.patch
        self._weights = weights
        self._sam = Sam(config.sam, weights.sam)
        self._read = _reader(config, weights)
        self._device = weights.view_end.device
        self._capture = self._device.type == "cuda" if capture is None else capture
        self._graphs: dict[tuple[int, int], VisionGraph] = {}

    def embed(self, pages: Sequence[Views]) -> list[Tensor]:
        """The embeddings of pages, in the order of the prompt's image tokens.

        The views of all pages go through the towers together.

        Args:
            pages: Their views.

        Returns:
            For each page, shape ``(image tokens, decoder width)``: its tiles as
            one picture, each row closed by a row end; the whole page likewise; a
            view end. The second model has no row ends, and its tiles follow each
            other.

        Raises:
            ConfigurationError: If a view's side is not a multiple of the patch's.
        """
        waiting: defaultdict[int, list[Tensor]] = defaultdict(list)
        for page in pages:
            for views in _of(page):
                waiting[views.shape[-1]].append(views)
        seen = {side: iter(self._seen(views)) for side, views in waiting.items()}
        return [
            self._joined(page, [next(seen[views.shape[-1]]) for views in _of(page)])
            for page in pages
        ]

    def features(self, views: Tensor) -> Tensor:
        """Send views of one size through the towers at once.

        Args:
            views: uint8, shape ``(count, 3, side, side)``, on the weights' device.

        Returns:
            Shape ``(count, grid * grid, decoder width)``, grid = side / 64 rounded up.
        """
        return self._weights.projector(self._read(self._sam(views)))

    def _seen(self, groups: Sequence[Tensor]) -> list[Tensor]:
        """The features of groups of views of one size, group by group."""
        side = groups[0].shape[-1]
        if side % self._patch or groups[0].shape[-2] != side:
            raise ConfigurationError(
                f"cannot encode a view of {groups[0].shape[-2]} x {side} pixels",
                remedy=f"Use square views whose side is a multiple of {self._patch}.",
            )
        counts = [len(group) for group in groups]
        views = torch.cat([group.to(self._device, non_blocking=True) for group in groups])
        sizes = batch_sizes(len(views), (side // self._patch) ** 2)
        found = torch.cat([self._run(batch) for batch in torch.split(views, sizes)])
        return list(torch.split(found, counts))

    def _run(self, views: Tensor) -> Tensor:
        if not self._capture:
            return self.features(views)
        size = (len(views), views.shape[-1])
        if size not in self._graphs:
            beside = next(iter(self._graphs.values()), None)
            self._graphs[size] = VisionGraph(self.features, views, beside=beside)
        return self._graphs[size](views)

    def _joined(self, page: Views, seen: Sequence[Tensor]) -> Tensor:
        parts = [self._rows(seen[0], (1, 1))]
        if page.grid is not None:
            parts.insert(0, self._rows(seen[1], page.grid))
        return torch.cat((*parts, self._weights.view_end[None]))

    def _rows(self, tiles: Tensor, grid: tuple[int, int]) -> Tensor:
        """Tiles as one picture, its rows closed, shape ``(tokens, width)``."""
        row_end = self._weights.row_end
        if row_end is None:
            return tiles.flatten(0, 1)
        columns, rows = grid
        width = tiles.shape[-1]
        side = round(tiles.shape[1] ** 0.5)
        picture = tiles.view(rows, columns, side, side, width).transpose(1, 2)
        picture = picture.reshape(rows * side, columns * side, width)
        ends = row_end.expand(rows * side, 1, width)
        return torch.cat((picture, ends), dim=1).flatten(0, 1)


def _reader(config: EngineConfig, weights: VisionWeights) -> Callable[[Tensor], Tensor]:
    """The function from the first tower's output to the projector's input."""
    if isinstance(config.second, QwenConfig) and isinstance(weights.second, QwenWeights):
        return Qwen(config.second, weights.second)
    if isinstance(config.second, ClipConfig) and isinstance(weights.second, ClipWeights):
        clip = Clip(config.second, weights.second)
        return lambda patches: torch.cat((clip(patches), patches.flatten(1, 2)), dim=-1)
    raise ConfigurationError("the weights are not those of the configuration's second tower")


def batch_sizes(count: int, patches: int) -> list[int]:
    """How many views go through the towers together: few sizes, so that few graphs are recorded.

    Args:
        count: Views that wait.
        patches: Of each.

    Returns:
        Sizes out of :data:`BATCHES` whose sum is ``count``, largest first.

    Example:
        >>> batch_sizes(31, 1600)
        [24, 6, 1]
    """
    usable = [size for size in reversed(BATCHES) if size * patches <= BATCH_PATCHES] or [1]
    sizes = []
    for size in usable:
        sizes += [size] * (count // size)
        count %= size
    return sizes


def _of(page: Views) -> list[Tensor]:
    """The page's views in groups of one size: the whole page, then its tiles."""
    groups = [torch.as_tensor(page.global_view)[None]]
    return groups if page.grid is None else [*groups, torch.as_tensor(page.tiles)]
