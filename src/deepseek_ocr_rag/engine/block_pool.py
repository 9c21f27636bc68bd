"""Hands out the blocks of the KV cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["BLOCK_SIZE", "BlockPool"]

BLOCK_SIZE: Final = 64
"""Tokens in a block of the KV cache."""


class BlockPool:
    """The free blocks. Block 0 takes the writes of padding rows and is never handed out."""

    def __init__(self, blocks: int) -> None:
        self._free = list(range(blocks - 1, 0, -1))

    def __len__(self) -> int:
        """How many blocks are free."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Take free blocks; a ValueError if fewer are free."""
        if count > len(self._free):
            raise ValueError(f"{count} blocks were asked for and {len(self._free)} are free")
        return [self._free.pop() for _ in range(count)]

    def give_back(self, blocks: Iterable[int]) -> None:
        """Return blocks."""
        self._free.extend(blocks)
