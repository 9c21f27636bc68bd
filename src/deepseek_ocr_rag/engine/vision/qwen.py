"""The second model's second vision tower: Qwen2 over the first one's output and learned queries.

The picture's vectors attend to each other. After them come learned queries, which
attend to the picture and to the queries before them. The decoder reads the queries'
outputs, in an order that the tower has learned.

Source: the published modeling code of DeepSeek-OCR-2 (``deepencoderv2``).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.config import QwenConfig
from ..weights.tensors import QwenLayer, QwenWeights

__all__ = ["Qwen"]


class Qwen:
    """The second model's second tower."""

    def __init__(self, config: QwenConfig, weights: QwenWeights) -> None:
        self._config = config
        self._weights = weights
        self._angles: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, patches: Tensor) -> Tensor:
        """Encode ``(pictures, grid, grid, width)`` as ``(pictures, queries, width)``."""
        config, weights = self._config, self._weights
        picture = patches.flatten(1, 2)
        pictures, count, _ = picture.shape
        few = count <= config.few_queries
        queries = weights.few_queries if few else weights.many_queries
        stream = torch.cat((picture, queries.expand(pictures, -1, -1)), dim=1)
        position = torch.arange(stream.shape[1], device=stream.device)
        seen = (position < count) | (position <= position[:, None])
        for layer in weights.layers:
            stream = stream + self._attend(layer, self._norm(stream, layer.attention_norm), seen)
            gate, up = functional.linear(
                self._norm(stream, layer.mlp_norm), layer.mlp.gate_up.weight
            ).chunk(2, -1)
            stream = stream + functional.linear(functional.silu(gate) * up, layer.mlp.down.weight)
        return self._norm(stream[:, count:], weights.norm)

    def _norm(self, values: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(values, weight.shape, weight, self._config.epsilon)

    def _attend(self, layer: QwenLayer, normed: Tensor, seen: Tensor) -> Tensor:
        config = self._config
        pictures, length, width = normed.shape
        split = layer.qkv(normed).view(pictures, length, -1, config.head_width).transpose(1, 2)
        query, key, value = torch.split(
            split, [config.heads, config.key_heads, config.key_heads], dim=1
        )
        query, key = (self._turned(part) for part in (query, key))
        sharing = config.heads // config.key_heads
        found = functional.scaled_dot_product_attention(
            query,
            key.repeat_interleave(sharing, 1),
            value.repeat_interleave(sharing, 1),
            attn_mask=seen,
        )
        joined = found.transpose(1, 2).reshape(pictures, length, width)
        return functional.linear(joined, layer.projection)

    def _turned(self, heads: Tensor) -> Tensor:
        """Apply rotary positions to ``(pictures, heads, length, head width)``."""
        length = heads.shape[2]
        if length not in self._angles:
            width = self._config.head_width
            halves = torch.arange(0, width, 2, device=heads.device) / width
            speeds = self._config.rope_theta**-halves
            angles = torch.arange(length, device=heads.device)[:, None] * speeds
            both = torch.cat((angles, angles), dim=-1)
            self._angles[length] = both.cos().to(heads.dtype), both.sin().to(heads.dtype)
        cosine, sine = self._angles[length]
        first, second = heads.chunk(2, -1)
        return heads * cosine + torch.cat((-second, first), dim=-1) * sine
