"""Makes the model's views of a page: one of the whole page, and tiles in reading order.

It follows the published preprocessing to the pixel: Pillow's bicubic resize, grey
padding, tiles cut from a resized copy whose shape is nearest to the page's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import ConfigurationError
from .families import Family
from .prompts import Mode

__all__ = ["PageViews", "page_grid", "page_views", "tile_grid"]

PADDING: Final = (127, 127, 127)
"""The published mean of 0.5, as ``int(0.5 * 255)``."""

MIN_TILES: Final = 2
"""Fewest tiles of a page: a single one would repeat the global view."""

LARGEST_PLAIN_RESIZE: Final = 640
"""Without tiles, pages are stretched to square views up to this side, and padded to larger ones."""


@dataclass(frozen=True, slots=True)
class PageViews:
    """The pixels of one page, before normalisation."""

    global_view: NDArray[np.uint8]  # uint8, shape ``(3, side, side)``, RGB
    tiles: NDArray[np.uint8]  # uint8, shape ``(columns * rows, 3, side, side)``, row by row
    grid: tuple[int, int] | None  # columns and rows of tiles, or None for a page without tiles

    @property
    def side(self) -> int:
        """Side of the global view in pixels."""
        return int(self.global_view.shape[-1])


def tile_grid(
    width: int, height: int, *, tile_side: int, max_tiles: int, larger_sooner: bool = False
) -> tuple[int, int]:
    """Choose the columns and rows of tiles whose aspect ratio is nearest to the page's.

    Args:
        width: Pixels of the page.
        height: The same.
        tile_side: Pixels of a tile's side.
        max_tiles: Most tiles of the grid.
        larger_sooner: Two grids may be equally near. The larger is then chosen if the page has more
            than half the pixels of the larger grid or, with ``larger_sooner``, of the smaller
            one, as in Ollama's own runner.

    Raises:
        ConfigurationError: If ``max_tiles`` is below 2.
    """
    if max_tiles < MIN_TILES:
        raise ConfigurationError(
            f"a page cannot be cut into {max_tiles} tiles",
            remedy=f"Allow at least {MIN_TILES}, or use a resolution without tiles (base).",
        )
    grids = [
        (columns, rows)
        for columns in range(1, max_tiles + 1)
        for rows in range(1, max_tiles // columns + 1)
        if columns * rows >= MIN_TILES
    ]
    shape = width / height
    best, best_difference = (1, 1), float("inf")
    for columns, rows in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        difference = abs(shape - columns / rows)
        tiles = best[0] * best[1] if larger_sooner else columns * rows
        larger_fits = width * height > 0.5 * tile_side * tile_side * tiles
        if difference < best_difference or (difference == best_difference and larger_fits):
            best, best_difference = (columns, rows), difference
    return best


def page_grid(
    width: int, height: int, mode: Mode, family: Family, *, max_tiles: int | None = None
) -> tuple[int, int] | None:
    """Choose the columns and rows of tiles of a page of a size in pixels; None if it is not cut."""
    _, tile_side = family.view_sides(mode)
    if tile_side is None or max(width, height) <= tile_side:
        return None
    most = min(max_tiles or family.max_tiles, family.max_tiles)
    return tile_grid(width, height, tile_side=tile_side, max_tiles=most)


def page_views(
    image: Image.Image, mode: Mode, family: Family, *, max_tiles: int | None = None
) -> PageViews:
    """Make a page's views.

    Args:
        image: The page.
        mode: The resolution.
        family: The model's family.
        max_tiles: Most tiles. Fewer than the family's own save memory and time; vLLM uses 6.

    Raises:
        ConfigurationError: If the model does not have the mode, or ``max_tiles`` is below 2.
    """
    image = image.convert("RGB")
    side, tile_side = family.view_sides(mode)
    grid = page_grid(*image.size, mode, family, max_tiles=max_tiles)
    tiles = [] if grid is None or tile_side is None else _cut(image, grid, tile_side)
    if tile_side is None and side <= LARGEST_PLAIN_RESIZE:
        view = image.resize((side, side), Image.Resampling.BICUBIC)
    else:
        view = ImageOps.pad(image, (side, side), Image.Resampling.BICUBIC, color=PADDING)
    none = np.empty((0, 3, tile_side or side, tile_side or side), np.uint8)
    return PageViews(_channels_first(view), np.stack(tiles) if tiles else none, grid)


def _cut(image: Image.Image, grid: tuple[int, int], side: int) -> list[NDArray[np.uint8]]:
    columns, rows = grid
    resized = image.resize((columns * side, rows * side), Image.Resampling.BICUBIC)
    pixels = _channels_first(resized)
    return [
        pixels[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row in range(rows)
        for column in range(columns)
    ]


def _channels_first(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
