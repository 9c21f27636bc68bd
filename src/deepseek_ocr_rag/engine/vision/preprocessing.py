"""Makes a page's views with tensors, on a GPU or the CPU, byte for byte as Pillow does.

Source of the resampling: Pillow's ``Resample.c``, version 13. Like it, this module sums
each axis in integers and rounds to bytes in between, so that the results are equal.
Before 13.0, Pillow resampled the axes of tall pages in the other order, which differs
visibly at hard edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...model.families import Family
from ...model.prompts import Mode
from ...model.views import LARGEST_PLAIN_RESIZE, PADDING, page_grid
from .pointwise import has_kernels, has_triton

__all__ = [
    "Filter",
    "PageTensors",
    "bicubic_filter",
    "page_tensors",
    "patch_vectors",
    "resample",
    "resized",
]

FRACTION_BITS: Final = 22
"""Fraction bits of Pillow's fixed-point weights: 32, less 8 for the pixel and 2 for the sum."""


@dataclass(frozen=True)
class PageTensors:
    """The views of one page, before normalisation, made when they are asked for.

    So the first tower can work on the whole page while the tiles are made.
    """

    image: Tensor  # RGB, uint8, ``(height, width, 3)``
    mode: Mode
    family: Family
    grid: tuple[int, int] | None  # columns and rows of tiles, or None for a page without tiles

    @cached_property
    def global_view(self) -> Tensor:
        """The whole page, uint8, ``(3, side, side)``."""
        side, tile_side = self.family.view_sides(self.mode)
        if tile_side is None and side <= LARGEST_PLAIN_RESIZE:
            view = resized(self.image, side, side)
        else:
            view = _padded(self.image, side)
        return view.permute(2, 0, 1).contiguous()

    @cached_property
    def tiles(self) -> Tensor:
        """The tiles row by row, uint8, ``(columns * rows, 3, side, side)``."""
        side, tile_side = self.family.view_sides(self.mode)
        if self.grid is None or tile_side is None:
            return self.image.new_empty(0, 3, tile_side or side, tile_side or side)
        return _tiles(self.image, self.grid, tile_side)


@dataclass(frozen=True, slots=True)
class Filter:
    """A resampling filter: each output is a weighted sum of neighbouring inputs."""

    first: Tensor  # index of the first input, int32, ``(outputs,)``
    weights: Tensor  # of the inputs from there on, times ``2 ** 22``, int32, ``(outputs, taps)``


def patch_vectors(views: Tensor, patch: int, dtype: torch.dtype) -> Tensor:
    """Cut pictures, uint8 ``(pictures, 3, side, side)``, into patches, and normalise their bytes.

    ``patch`` is the side of a patch in pixels, a divisor of the pictures' side. Returns
    ``(pictures, grid, grid, 3 * patch * patch)``; a patch is ordered by channel, row, column.
    """
    if has_kernels(views, dtype):
        from ..kernels.convolutions import patch_vectors as kernel

        return kernel(views, patch, _number_of_byte(dtype, views.device))
    pictures, channels, side, _ = views.shape
    grid = side // patch
    cut = views.view(pictures, channels, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5)
    numbers = _number_of_byte(dtype, views.device)[cut.int()]
    return numbers.reshape(pictures, grid, grid, -1)


@lru_cache(maxsize=16)
def _number_of_byte(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the normalised value of each byte, -1 to 1, rounded to bfloat16 as published."""
    numbers = (torch.arange(256) / 255 - 0.5) / 0.5
    return numbers.to(torch.bfloat16).to(device, dtype)


def page_tensors(
    image: Tensor, mode: Mode, family: Family, *, max_tiles: int | None = None
) -> PageTensors:
    """Prepare the views of a page, RGB, uint8, ``(height, width, 3)``, on the device that holds it.

    The pixels are those of :func:`~deepseek_ocr_rag.model.views.page_views`.
    """
    height, width = image.shape[:2]
    grid = page_grid(width, height, mode, family, max_tiles=max_tiles)
    return PageTensors(image, mode, family, grid)


def _tiles(image: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    columns, rows = grid
    whole = resized(image, rows * side, columns * side)
    cut = whole.view(rows, side, columns, side, 3).permute(0, 2, 4, 1, 3)
    return cut.reshape(rows * columns, 3, side, side)


def _padded(image: Tensor, side: int) -> Tensor:
    """Centre the whole image in a grey square."""
    height, width = image.shape[:2]
    wide = min(side, max(1, round(width / height * side)))
    high = min(side, max(1, round(height / width * side)))
    left, top = round((side - wide) * 0.5), round((side - high) * 0.5)
    inner = resized(image, high, wide)
    edges = (0, 0, left, side - wide - left, top, side - high - top)
    return functional.pad(inner, edges, value=PADDING[0])


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """Resize uint8, ``(rows, columns, channels)``, bicubically."""
    rows, columns, _ = image.shape
    # As in Pillow since 13.0, the axis that shrinks most comes first: the result depends on it.
    if rows > height and rows - height > 2 * (columns - width):
        return _to_width(_to_height(image, height), width)
    return _to_height(_to_width(image, width), height)


def _to_width(image: Tensor, width: int) -> Tensor:
    columns = image.shape[1]
    return (
        image if columns == width else resample(image, bicubic_filter(columns, width, image.device))
    )


def _to_height(image: Tensor, height: int) -> Tensor:
    rows, columns, channels = image.shape
    if rows == height:
        return image
    flat = image.reshape(1, rows, columns * channels)
    return resample(flat, bicubic_filter(rows, height, image.device)).view(
        height, columns, channels
    )


def resample(values: Tensor, weighting: Filter) -> Tensor:
    """Resample the middle axis of uint8, ``(outer, inputs, inner)``."""
    if values.is_cuda and has_triton():
        from ..kernels.resampling import resample as kernel

        first, weights = weighting.first, weighting.weights
        return kernel(values.contiguous(), first, weights, fraction_bits=FRACTION_BITS)
    outer, inputs, inner = values.shape
    outputs, taps = weighting.weights.shape
    total = values.new_full((outer, outputs, inner), 1 << (FRACTION_BITS - 1), dtype=torch.int32)
    # Converted once: a product of two types takes three times as long.
    values = values.int()
    for tap in range(taps):
        place = (weighting.first + tap).clamp_(max=inputs - 1)
        total.addcmul_(values.index_select(1, place), weighting.weights[:, tap, None])
    return (total >> FRACTION_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=256)
def bicubic_filter(inputs: int, outputs: int, device: torch.device) -> Filter:
    """Make the bicubic filter of an axis, widened when it shrinks, so that every input counts."""
    first, weights = _weights(inputs, outputs)
    return Filter(torch.from_numpy(first).to(device), torch.from_numpy(weights).to(device))


def _weights(inputs: int, outputs: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    scale = inputs / outputs
    stretch = max(scale, 1.0)
    reach = 2.0 * stretch
    centre = (np.arange(outputs) + 0.5) * scale
    first = np.maximum(np.trunc(centre - reach + 0.5), 0).astype(np.int32)
    end = np.minimum(np.trunc(centre + reach + 0.5), inputs).astype(np.int32)
    place = first[:, None] + np.arange(int((end - first).max()))
    weights = _bicubic((place - centre[:, None] + 0.5) * (1.0 / stretch))
    weights = np.where(place < end[:, None], weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    fixed = np.trunc(weights * (1 << FRACTION_BITS) + np.copysign(0.5, weights))
    return first, fixed.astype(np.int32)


def _bicubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the kernel of Keys' cubic convolution with a = -0.5."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
