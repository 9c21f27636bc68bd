"""The first vision tower: SAM's ViT over patches, then convolutions down to 1/64 of the side.

Source: the published modeling code of DeepSeek-OCR (``deepencoder``), which
follows Segment Anything (Kirillov et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from ..weights.config import SamConfig
from ..weights.tensors import SamLayer, SamWeights
from .fp8_products import Values, product
from .pointwise import add_norm_for, gelu_for, layer_norm
from .positions import fitted_grid, fitted_table
from .preprocessing import patch_vectors
from .sam_attention import window_attention

__all__ = ["Sam"]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Positions fitted to one size of picture."""

    positions: Tensor  # ``(grid, grid, width)``
    tables: tuple[tuple[Tensor, Tensor], ...]  # rows and columns of each layer


class Sam:
    """The first tower."""

    def __init__(self, config: SamConfig, weights: SamWeights) -> None:
        self._config = config
        self._weights = weights
        self._fitted: dict[int, _Fitted] = {}

    def __call__(self, views: Tensor) -> Tensor:
        """Encode pictures, uint8, ``(pictures, 3, side, side)``.

        The side must be a multiple of the patch's. Returns ``(pictures, side / 64, side / 64,
        width)``, with ``side / 64`` rounded up.
        """
        weights = self._weights
        patches = patch_vectors(views, self._config.patch, weights.positions.dtype)
        fitted = self._fit(patches.shape[1])
        stream = weights.patches(patches) + fitted.positions
        change = None
        for layer, tables in zip(weights.layers, fitted.tables, strict=True):
            stream, normed = add_norm_for(layer.qkv, stream, change, layer.attention_norm)
            change = self._attend(layer, normed, tables)
            stream, normed = add_norm_for(layer.up, stream, change, layer.mlp_norm)
            change = product(gelu_for(layer.down, product(normed, layer.up)), layer.down)
        stream = stream if change is None else stream + change
        return self._neck(stream)

    def _attend(self, layer: SamLayer, normed: Values, tables: tuple[Tensor, Tensor]) -> Tensor:
        qkv = product(normed, layer.qkv)
        seen = window_attention(qkv, layer.qkv.bias, *tables, heads=self._config.heads)
        return layer.projection(seen)

    def _neck(self, stream: Tensor) -> Tensor:
        weights = self._weights
        values = functional.linear(stream, weights.narrow)
        values = layer_norm(values, weights.narrow_norm)
        values = layer_norm(_convolved(values, weights.mix, stride=1), weights.mix_norm)
        for kernel in weights.halve:
            values = _convolved(values, kernel, stride=2)
        return values

    def _fit(self, grid: int) -> _Fitted:
        if grid not in self._fitted:
            config, weights = self._config, self._weights
            sides = [
                grid if layer in config.global_layers else config.window
                for layer in range(config.layers)
            ]
            self._fitted[grid] = _Fitted(
                fitted_grid(weights.positions, grid),
                tuple(
                    (fitted_table(layer.rows, side), fitted_table(layer.columns, side))
                    for layer, side in zip(weights.layers, sides, strict=True)
                ),
            )
        return self._fitted[grid]


def _convolved(values: Tensor, kernel: Tensor, *, stride: int) -> Tensor:
    """Convolve ``(pictures, grid, grid, channels)`` by 3 x 3, as a matrix product."""
    padded = functional.pad(values, (0, 0, 1, 1, 1, 1))
    around = padded.unfold(1, 3, stride).unfold(2, 3, stride).permute(0, 1, 2, 4, 5, 3)
    return functional.linear(around.flatten(3), kernel)
