"""Turns the views of pages into the embeddings that the decoder reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import ConfigurationError
from ..slots import to_device
from ..weights.config import ClipConfig, EngineConfig, QwenConfig
from ..weights.tensors import ClipWeights, QwenWeights, VisionWeights
from .clip import Clip
from .graphs import VisionGraph
from .qwen import Qwen
from .sam import Sam
from .token_order import ROW_END, token_order

__all__ = ["Views", "Vision", "batch_sizes", "usable_sizes"]

BATCHES: Final = (1, 2, 4, 6, 8, 12, 24)
"""Numbers of views that go through the towers at once. 6 is a portrait page's tiles."""

MAX_PADDING: Final = 4 / 3
"""Largest ratio of a padded batch to its views."""

BATCH_PATCHES: Final = 40_000
"""Most patches that go through the towers at once: 24 tiles of 640 or 8 views of
1,024. A quarter of them keeps an H200 busy; all take 0.7 GiB at the published sizes
(``benchmarks/engine/vision.py``)."""


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

    Calls share buffers, so they must be made from one thread and on one CUDA stream. The weights
    determine the device and type. ``capture`` says whether to capture a CUDA graph for each number
    of views when it first occurs; None means yes on a GPU.
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
        waiting: defaultdict[int, list[Tensor]] = defaultdict(list)
        for page in pages:
            for views in _of(page):
                waiting[views.shape[-1]].append(views)
        parts: list[Tensor] = []
        tokens: dict[int, int] = {}
        starts: dict[int, int] = {}
        end = 0
        for side, groups in waiting.items():
            encoded = self._encode(groups)
            tokens[side], starts[side] = encoded.shape[1], end
            parts.append(encoded.flatten(0, 1))
            end += len(parts[-1])
        order = [self._order(page, tokens, starts, end) for page in pages]
        # One gather serves all pages: putting each together from pieces would take ten launches.
        parts += [
            mark[None]
            for mark in (self._weights.view_end, self._weights.row_end)
            if mark is not None
        ]
        index = to_device(np.concatenate(order), self._device)
        return list(torch.split(torch.cat(parts)[index], [len(each) for each in order]))

    def _order(
        self, page: Views, tokens: Mapping[int, int], starts: dict[int, int], end: int
    ) -> NDArray[np.int32]:
        """Return the indices of a page's tokens among all that were encoded.

        Args:
            page: The page.
            tokens: For each side of views, the number of tokens of one view.
            starts: For each side, the index of the next view's first token; it is advanced.
            end: The index of the view end, which the row end follows.
        """
        row_ends = self._weights.row_end is not None
        found: list[NDArray[np.int32]] = []
        for number, views in enumerate(_of(page)):
            side = views.shape[-1]
            grid = page.grid if number and page.grid is not None else (1, 1)
            index = token_order(tokens[side], grid, row_ends=row_ends)
            found.insert(0, np.where(index == ROW_END, end + 1, index + starts[side]))
            starts[side] += len(views) * tokens[side]
        return np.concatenate([*found, [end]]).astype(np.int32)

    def features(self, views: Tensor) -> Tensor:
        """Send views of one size through the towers at once.

        Args:
            views: Uint8, ``(count, 3, side, side)``, on the weights' device.

        Returns:
            ``(count, grid * grid, decoder width)``, where grid is side / 64 rounded up.
        """
        return self._weights.projector(self._read(self._sam(views)))

    def _encode(self, groups: Sequence[Tensor]) -> Tensor:
        """Compute the features of groups of views of one size."""
        side = groups[0].shape[-1]
        if side % self._patch or groups[0].shape[-2] != side:
            raise ConfigurationError(
                f"cannot encode a view of {groups[0].shape[-2]} x {side} pixels",
                remedy=f"Use square views whose side is a multiple of {self._patch}.",
            )
        views = torch.cat([group.to(self._device, non_blocking=True) for group in groups])
        sizes = batch_sizes(len(views), self._patches(side))
        # The last batch may hold fewer views than its size: its graph pads them.
        sizes[-1] -= sum(sizes) - len(views)
        run = self._replay if self._capture else self.features
        return torch.cat([run(batch) for batch in torch.split(views, sizes)])

    def _replay(self, views: Tensor) -> Tensor:
        side = views.shape[-1]
        [size] = batch_sizes(len(views), self._patches(side))
        return self._graph(size, side)(views)

    def _graph(self, size: int, side: int, *, rehearsed: bool = False) -> VisionGraph:
        if (size, side) not in self._graphs:
            beside = next(iter(self._graphs.values()), None)
            self._graphs[size, side] = VisionGraph(
                self.features, self._blank(size, side), beside=beside, rehearsed=rehearsed
            )
        return self._graphs[size, side]

    def _patches(self, side: int) -> int:
        return (side // self._patch) ** 2

    def _blank(self, size: int, side: int) -> Tensor:
        return torch.zeros(size, 3, side, side, dtype=torch.uint8, device=self._device)

    def capture(self, sides: Sequence[int], *, rehearsed: bool = False) -> None:
        """Capture every batch of views of these sides, the largest first.

        ``rehearsed`` says that as large ones were computed by towers of the same shape, see
        :meth:`compile`.
        """
        if self._capture:
            if rehearsed:
                # Fills the tables of these towers, which no graph may do.
                for side in sides:
                    self.features(self._blank(1, side))
                torch.cuda.empty_cache()
            for side in sides:
                for size in usable_sizes(self._patches(side)):
                    self._graph(size, side, rehearsed=rehearsed)

    def compile(self, sides: Iterable[int]) -> None:
        """Compile the kernels of every batch of views of these sides, by running it once."""
        for side in sides:
            for size in usable_sizes(self._patches(side)):
                self.features(self._blank(size, side))


def _reader(config: EngineConfig, weights: VisionWeights) -> Callable[[Tensor], Tensor]:
    """Return the function from the first tower's output to the projector's input."""
    if isinstance(config.second, QwenConfig) and isinstance(weights.second, QwenWeights):
        return Qwen(config.second, weights.second)
    if isinstance(config.second, ClipConfig) and isinstance(weights.second, ClipWeights):
        clip = Clip(config.second, weights.second)
        return lambda patches: torch.cat((clip(patches), patches.flatten(1, 2)), dim=-1)
    raise ConfigurationError(
        "the weights do not belong to the second tower of the configuration",
        remedy="Use the config.json that is published with the weights.",
    )


def usable_sizes(patches: int) -> list[int]:
    """Return the batch sizes for views of a number of patches, largest first."""
    return [size for size in reversed(BATCHES) if size * patches <= BATCH_PATCHES] or [1]


def batch_sizes(count: int, patches: int) -> list[int]:
    """Split views into batches of few sizes, because each size needs a graph.

    Args:
        count: Number of views.
        patches: Number of patches of a view.

    Returns:
        Sizes out of :data:`BATCHES`, largest first. Their sum may exceed ``count`` if padding the
        last batch costs less than one more batch.
    """
    usable = usable_sizes(patches)
    sizes: list[int] = []
    while count > 0:
        padded = min((size for size in usable if size >= count), default=0)
        if 0 < padded <= MAX_PADDING * count:
            return [*sizes, padded]
        sizes.append(next(size for size in usable if size <= count))
        count -= sizes[-1]
    return sizes


def _of(page: Views) -> list[Tensor]:
    """Return the page's views in groups of one size: the whole page, then its tiles."""
    groups = [torch.as_tensor(page.global_view)[None]]
    return groups if page.grid is None else [*groups, torch.as_tensor(page.tiles)]
