"""Keys and values of all sequences, in pages of equal size that any sequence may own.

A page holds :data:`~.page_pool.PAGE` tokens of all layers. Page 0 belongs to nobody:
what is computed to fill up a batch is written there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import torch
from torch import Tensor

from .block_pool import PAGE
from .weights.config import DecoderConfig

__all__ = ["LARGEST_STORED", "CacheType", "KVCache", "LayerCache", "page_bytes"]

CacheType = Literal["model", "fp8"]
"""How keys and values are stored: as they are computed, or in eight bits."""


LARGEST_STORED: Final = 60_000.0
"""Keys and values beyond are brought to it: every type can hold it."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Keys and values of one layer.

    Attributes:
        keys: Rotated keys, ``(pages, heads, PAGE, head width)``.
        values: The same shape.
        key_scales: What eight-bit keys are multiplied by, a float32 for every
            key, ``(pages, heads, PAGE)``; None where keys are stored as they are.
        value_scales: The same for values.
    """

    keys: Tensor
    values: Tensor
    key_scales: Tensor | None
    value_scales: Tensor | None


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of all layers; the tensors of :class:`LayerCache` with one dimension more."""

    keys: Tensor
    values: Tensor
    key_scales: Tensor | None
    value_scales: Tensor | None

    @classmethod
    def empty(
        cls,
        config: DecoderConfig,
        pages: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        kind: CacheType = "model",
    ) -> Self:
        """A cache of so many pages, page 0 included.

        Args:
            config: The decoder's sizes.
            pages: How many.
            device: Where.
            dtype: The model's type.
            kind: How keys and values are stored. Eight bits follow the
                four-bit exponent format e4m3, scaled for every token and head.
        """
        shape = (config.layers, pages, config.heads, PAGE, config.head_width)
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
    def pages(self) -> int:
        """How many pages there are, page 0 included."""
        return self.keys.shape[1]

    def layer(self, number: int) -> LayerCache:
        """One layer's part."""
        return LayerCache(
            self.keys[number],
            self.values[number],
            None if self.key_scales is None else self.key_scales[number],
            None if self.value_scales is None else self.value_scales[number],
        )

    def save(self, pages: Sequence[int]) -> tuple[Tensor, ...]:
        """Copy pages to the host's memory, to make room."""
        index = torch.tensor(pages, device=self.keys.device)
        return tuple(part[:, index].cpu() for part in self._parts())

    def restore(self, pages: Sequence[int], saved: tuple[Tensor, ...]) -> None:
        """Copy what :meth:`save` gave to other pages, as many as there were."""
        index = torch.tensor(pages, device=self.keys.device)
        for part, copy in zip(self._parts(), saved, strict=True):
            part[:, index] = copy.to(part.device)

    def _parts(self) -> tuple[Tensor, ...]:
        parts = (self.keys, self.values, self.key_scales, self.value_scales)
        return tuple(part for part in parts if part is not None)


def page_bytes(config: DecoderConfig, dtype: torch.dtype, kind: CacheType) -> int:
    """Bytes of a page of the cache, all layers together."""
    per_head = config.head_width * (1 if kind == "fp8" else dtype.itemsize)
    per_head += torch.float32.itemsize if kind == "fp8" else 0
    return 2 * config.layers * config.heads * PAGE * per_head
