"""The paged KV cache: keys and values in blocks of equal size that any sequence may own.

A block holds :data:`~.block_pool.BLOCK_SIZE` tokens of all layers. Padding rows write to
block 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import torch
from torch import Tensor

from .block_pool import BLOCK_SIZE
from .weights.config import DecoderConfig

__all__ = ["LARGEST_STORED", "CacheType", "KVCache", "LayerCache", "block_bytes"]

CacheType = Literal["model", "fp8"]
"""The type in which keys and values are stored: the model's, or eight bits."""

LARGEST_STORED: Final = 60_000.0
"""Largest magnitude of a stored key or value: every type of number can hold it."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Keys and values of one layer; the scales are None if they keep the model's type."""

    keys: Tensor  # rotated, ``(blocks, heads, BLOCK_SIZE, head width)``
    values: Tensor  # the same shape
    key_scales: Tensor | None  # of eight-bit keys, float32, ``(blocks, heads, BLOCK_SIZE)``
    value_scales: Tensor | None  # the same for values


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of all layers: :class:`LayerCache` with a leading layer dimension."""

    keys: Tensor
    values: Tensor
    key_scales: Tensor | None
    value_scales: Tensor | None

    @classmethod
    def empty(
        cls,
        config: DecoderConfig,
        blocks: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        kind: CacheType = "model",
    ) -> Self:
        """Allocate a cache.

        Args:
            config: The decoder's sizes.
            blocks: Number of blocks, block 0 included.
            device: The device to allocate on.
            dtype: The model's type.
            kind: "fp8" is e4m3 with a scale for each token and head.
        """
        shape = (config.layers, blocks, config.heads, BLOCK_SIZE, config.head_width)
        stored = torch.float8_e4m3fn if kind == "fp8" else dtype

        def scales() -> Tensor | None:
            return torch.zeros(shape[:-1], device=device) if kind == "fp8" else None

        return cls(
            keys=torch.zeros(shape, dtype=stored, device=device),
            values=torch.zeros(shape, dtype=stored, device=device),
            key_scales=scales(),
            value_scales=scales(),
        )

    @property
    def blocks(self) -> int:
        """Number of blocks, block 0 included."""
        return self.keys.shape[1]

    def layer(self, number: int) -> LayerCache:
        """Return a view of one layer's cache."""
        return LayerCache(
            self.keys[number],
            self.values[number],
            None if self.key_scales is None else self.key_scales[number],
            None if self.value_scales is None else self.value_scales[number],
        )

    def save(self, blocks: Sequence[int]) -> tuple[Tensor, ...]:
        """Copy blocks to host memory."""
        index = torch.tensor(blocks, device=self.keys.device)
        return tuple(part[:, index].cpu() for part in self._parts())

    def restore(self, blocks: Sequence[int], swapped: tuple[Tensor, ...]) -> None:
        """Copy the result of :meth:`save` into as many other blocks."""
        index = torch.tensor(blocks, device=self.keys.device)
        for part, copy in zip(self._parts(), swapped, strict=True):
            part[:, index] = copy.to(part.device)

    def _parts(self) -> tuple[Tensor, ...]:
        parts = (self.keys, self.values, self.key_scales, self.value_scales)
        return tuple(part for part in parts if part is not None)


def block_bytes(config: DecoderConfig, dtype: torch.dtype, kind: CacheType) -> int:
    """Compute the bytes of one block over all layers."""
    per_head = config.head_width * (1 if kind == "fp8" else dtype.itemsize)
    per_head += torch.float32.itemsize if kind == "fp8" else 0
    return 2 * config.layers * config.heads * BLOCK_SIZE * per_head
