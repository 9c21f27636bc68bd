"""Hands out the blocks of the KV cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["BLOCK_SIZE", "BlockPool"]

BLOCK_SIZE: Final = 64
"""Tokens in a block of the KV cache."""


class BlockPool:
    """The free blocks. Padding rows write to block 0, which is never handed out."""

    def __init__(self, blocks: int) -> None:
        self._free = list(range(blocks - 1, 0, -1))

    def __len__(self) -> int:
        """Count the free blocks."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Take ``count`` free blocks.

        Raises:
            ValueError: If fewer are free.
        """
        if count > len(self._free):
            raise ValueError(f"cannot take {count} blocks: only {len(self._free)} are free")
        return [self._free.pop() for _ in range(count)]

    def give_back(self, blocks: Iterable[int]) -> None:
        """Return blocks."""
        self._free.extend(blocks)
