"""The first vision tower: SAM's ViT over patches, then convolutions down to 1/64 of the side.

Source: the published modeling code of DeepSeek-OCR (``deepencoder``), which
follows Segment Anything (Kirillov et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from ..weights.config import SamConfig
from ..weights.tensors import Linear, SamLayer, SamWeights
from .fp8_products import Values, product
from .pointwise import gelu_between, has_kernels, layer_norm, norm_for
from .positions import fitted_grid, fitted_table
from .preprocessing import patch_vectors
from .residual import add_product, lacking_biases
from .sam_attention import window_attention

__all__ = ["Sam", "convolved"]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Positions fitted to one size of picture."""

    positions: Tensor  # ``(grid, grid, width)``
    tables: tuple[tuple[Tensor, Tensor], ...]  # relative rows and columns, for each layer


class Sam:
    """The first tower."""

    def __init__(self, config: SamConfig, weights: SamWeights) -> None:
        self._config = config
        self._weights = weights
        self._fitted: dict[int, _Fitted] = {}
        self._lacking = lacking_biases(
            layer for each in weights.layers for layer in (each.projection, each.down)
        )
        lacked = weights.narrow.float() @ self._lacking[-1]
        self._narrow = Linear(weights.narrow, lacked.to(weights.narrow.dtype))

    def __call__(self, views: Tensor) -> Tensor:
        """Encode pictures, uint8, ``(pictures, 3, side, side)``.

        The side must be a multiple of the patch's. Returns ``(pictures, side / 64, side / 64,
        width)``, with ``side / 64`` rounded up.
        """
        weights = self._weights
        patches = patch_vectors(views, self._config.patch, weights.positions.dtype)
        fitted = self._fit(patches.shape[1])
        stream = weights.patches(patches) + fitted.positions
        lacking = iter(self._lacking)
        for layer, tables in zip(weights.layers, fitted.tables, strict=True):
            normed = norm_for(layer.qkv, stream, layer.attention_norm, next(lacking))
            add_product(stream, self._attend(layer, normed, tables), layer.projection)
            normed = norm_for(layer.up, stream, layer.mlp_norm, next(lacking))
            add_product(stream, gelu_between(normed, layer.up, layer.down), layer.down)
        return self._neck(stream)

    def _attend(self, layer: SamLayer, normed: Values, tables: tuple[Tensor, Tensor]) -> Tensor:
        qkv = product(normed, layer.qkv)
        return window_attention(qkv, layer.qkv.bias, *tables, heads=self._config.heads)

    def _neck(self, stream: Tensor) -> Tensor:
        weights = self._weights
        values = layer_norm(self._narrow(stream), weights.narrow_norm)
        values = layer_norm(convolved(values, weights.mix, stride=1), weights.mix_norm)
        for kernel in weights.halve:
            values = convolved(values, kernel, stride=2)
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


def convolved(values: Tensor, kernel: Tensor, *, stride: int) -> Tensor:
    """Convolve ``(pictures, grid, grid, channels)`` by 3 x 3, as a matrix product.

    The kernel is ``(outputs, 9 * channels)``, as in :class:`~..weights.tensors.SamWeights`.
    """
    if has_kernels(values):
        from ..kernels.convolutions import convolved as by_kernel

        return by_kernel(values, kernel, stride=stride)
    padded = functional.pad(values, (0, 0, 1, 1, 1, 1))
    around = padded.unfold(1, 3, stride).unfold(2, 3, stride).permute(0, 1, 2, 4, 5, 3)
    return functional.linear(around.flatten(3), kernel)
