"""The second vision tower: CLIP's transformer over the first tower's output.

Source: the published modeling code of DeepSeek-OCR (``deepencoder``), which
follows CLIP ViT-L (Radford et al. 2021) but has no patch embedding of its own.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..weights.config import ClipConfig
from ..weights.tensors import ClipLayer, ClipWeights
from .pointwise import add_norm, layer_norm, quick_gelu
from .positions import fitted_grid

__all__ = ["Clip"]

ATTENTION: Final = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""All but cuDNN's, which plans each number of views anew: 0.6 s of a start, for 1 % of the towers' time."""


class Clip:
    """The second tower."""

    def __init__(self, config: ClipConfig, weights: ClipWeights) -> None:
        self._config = config
        self._weights = weights
        self._positions: dict[int, Tensor] = {}

    def __call__(self, patches: Tensor) -> Tensor:
        """Encode ``(pictures, grid, grid, width)`` as ``(pictures, grid * grid, width)``."""
        weights = self._weights
        positions = self._fit(patches.shape[1])
        start = weights.start.expand(patches.shape[0], 1, -1)
        stream = torch.cat((start, patches.flatten(1, 2)), dim=1) + positions
        stream = layer_norm(stream, weights.input_norm)
        change = None
        for layer in weights.layers:
            stream, normed = add_norm(stream, change, layer.attention_norm)
            stream, normed = add_norm(stream, self._attend(layer, normed), layer.mlp_norm)
            change = layer.down(quick_gelu(layer.up(normed)))
        stream = stream if change is None else stream + change
        return stream[:, 1:]

    def _attend(self, layer: ClipLayer, normed: Tensor) -> Tensor:
        pictures, length, width = normed.shape
        qkv = layer.qkv(normed).view(pictures, length, 3, self._config.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        with sdpa_kernel(ATTENTION):
            seen = functional.scaled_dot_product_attention(query, key, value)
        return layer.projection(seen.transpose(1, 2).reshape(pictures, length, width))

    def _fit(self, grid: int) -> Tensor:
        if grid not in self._positions:
            trained, table = self._config.trained_grid, self._weights.positions
            positions = fitted_grid(table[1:].view(trained, trained, -1), grid)
            self._positions[grid] = torch.cat((table[:1], positions.flatten(0, 1)))
        return self._positions[grid]
