"""The second vision tower: CLIP's transformer over the first tower's output.

Source: the published modeling code of DeepSeek-OCR (``deepencoder``), which
follows CLIP ViT-L (Radford et al. 2021) but has no patch embedding of its own.

Views of all sizes go through its layers together, as rows one after the other: those of a page alone
are too few for a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.config import ClipConfig
from ..weights.tensors import ClipLayer, ClipWeights
from .pointwise import has_kernels, layer_norm, quick_gelu
from .positions import fitted_grid
from .residual import add_product, lacking_biases

__all__ = ["Clip"]


class Clip:
    """The second tower."""

    def __init__(self, config: ClipConfig, weights: ClipWeights) -> None:
        self._config = config
        self._weights = weights
        self._positions: dict[int, Tensor] = {}
        self._lacking = lacking_biases(
            layer for each in weights.layers for layer in (each.projection, each.down)
        )

    def rows(self, patches: Tensor) -> Tensor:
        """Make the rows of views of one size, ``(views, grid, grid, width)``.

        A view has a row for the class token, and one for each patch. A row holds what the layers
        take, and after it the patch as it was. Returns ``(views, 1 + grid * grid, 2 * width)``.
        """
        start = self._weights.start.expand(patches.shape[0], 1, -1)
        tokens = torch.cat((start, patches.flatten(1, 2)), dim=1)
        placed = tokens + self._fit(patches.shape[1])
        return torch.cat((layer_norm(placed, self._weights.input_norm), tokens), dim=-1)

    def __call__(self, rows: Tensor, tiles: Tensor) -> Tensor:
        """Encode the rows of views, one after the other, ``(rows, 2 * width)``.

        ``tiles`` says which belong together, see :meth:`..ops.Ops.attend_prompts`. Returns the encoded
        rows, with the patches as they were: ``(rows, 2 * width)``.
        """
        stream, patches = (part.contiguous() for part in rows.chunk(2, dim=-1))
        lacking = iter(self._lacking)
        for layer in self._weights.layers:
            normed = layer_norm(stream, layer.attention_norm, next(lacking))
            add_product(stream, self._attend(layer, normed, tiles), layer.projection)
            normed = layer_norm(stream, layer.mlp_norm, next(lacking))
            add_product(stream, quick_gelu(layer.up(normed)), layer.down)
        encoded = (stream + next(lacking)).to(stream.dtype)
        return torch.cat((encoded, patches), dim=-1)

    def _attend(self, layer: ClipLayer, normed: Tensor, tiles: Tensor) -> Tensor:
        qkv = layer.qkv(normed)
        # The kernel takes any type of number.
        if has_kernels(qkv, torch.bfloat16):
            from ..kernels.prompt_attention import attend_prompts

            return attend_prompts(qkv, tiles, self._config.heads, causal=False)
        seen = torch.zeros_like(normed)
        for start, first, length in tiles.tolist():
            if first == 0 and length > 0:
                view = qkv[start : start + length].view(length, 3, self._config.heads, -1)
                query, key, value = view.permute(1, 2, 0, 3)[:, None]
                found = functional.scaled_dot_product_attention(query, key, value)
                seen[start : start + length] = found[0].transpose(0, 1).flatten(1)
        return seen

    def _fit(self, grid: int) -> Tensor:
        if grid not in self._positions:
            trained, table = self._config.trained_grid, self._weights.positions
            positions = fitted_grid(table[1:].view(trained, trained, -1), grid)
            self._positions[grid] = torch.cat((table[:1], positions.flatten(0, 1)))
        return self._positions[grid]
