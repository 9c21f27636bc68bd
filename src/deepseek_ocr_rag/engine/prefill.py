"""Packs many prompts into one batch of fixed shape, on their way to the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ..model.tokenizer import IMAGE
from .ops import QUERY_TILE

__all__ = ["PrefillBatch", "PrefillRequest", "pack"]


@dataclass(frozen=True, slots=True)
class PrefillRequest:
    """A sequence whose prompt is to be computed."""

    slot: int  # its history already holds the same tokens
    ids: Sequence[int]
    picture: Tensor  # embeddings of its picture tokens, ``(picture tokens, width)``


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """The prompts of one prefill, one after the other, with padding at the end."""

    positions: Tensor  # of each token in its prompt, int32, ``(tokens,)``
    token_slots: Tensor  # slot of each token, int32, ``(tokens,)``
    pictures: Tensor  # index of each token's picture embedding, -1 for text, int32, ``(tokens,)``
    tiles: Tensor  # see :meth:`.ops.Ops.attend_prompts`
    slots: Tensor  # of each prompt, int32, ``(prompts,)``
    last: Tensor  # index of each prompt's last token, int32, ``(prompts,)``

    @classmethod
    def unpack(cls, packed: Tensor, tokens: int, prompts: int) -> Self:
        """Make views of the parts of a tensor that :func:`pack` made."""
        tiles = _tile_count(tokens, prompts)
        sizes = [tokens, tokens, tokens, 3 * tiles, prompts, prompts]
        positions, token_slots, pictures, flat_tiles, slots, last = torch.split(packed, sizes)
        return cls(positions, token_slots, pictures, flat_tiles.view(tiles, 3), slots, last)


def pack(
    requests: Sequence[PrefillRequest], tokens: int, prompts: int, padding_slot: int
) -> Tensor:
    """Pack all integers of a batch into one int32 tensor on the host, for a single copy.

    ``tokens`` and ``prompts`` include the padding, whose slot is ``padding_slot``.
    """
    positions = np.zeros(tokens, np.int32)
    token_slots = np.full(tokens, padding_slot, np.int32)
    pictures = np.full(tokens, -1, np.int32)
    tiles = np.zeros((_tile_count(tokens, prompts), 3), np.int32)
    slots = np.full(prompts, padding_slot, np.int32)
    last = np.zeros(prompts, np.int32)
    start = tile = picture = 0
    for row, request in enumerate(requests):
        length = len(request.ids)
        end = start + length
        positions[start:end] = np.arange(length)
        token_slots[start:end] = request.slot
        is_picture = np.asarray(request.ids) == IMAGE
        count = int(is_picture.sum())
        pictures[start:end][is_picture] = np.arange(picture, picture + count)
        first = np.arange(0, length, QUERY_TILE)
        tiles[tile : tile + len(first), 0] = start
        tiles[tile : tile + len(first), 1] = first
        tiles[tile : tile + len(first), 2] = length
        slots[row], last[row] = request.slot, end - 1
        start, tile, picture = end, tile + len(first), picture + count
    parts = (positions, token_slots, pictures, tiles.ravel(), slots, last)
    return torch.from_numpy(np.concatenate(parts))


def _tile_count(tokens: int, prompts: int) -> int:
    """Return the most tiles that a number of tokens in a number of prompts can have."""
    return tokens // QUERY_TILE + prompts
