"""Attention of the first tower: over squares of patches, with relative positions.

A query adds to its score of a key one number for how many rows the key is away
and one for how many columns. Written out, these sums are a matrix of 4,096 x
4,096 for each head of a page. It is never made: the numbers are appended to the
query, and to the key ones where its row and its column stand, so that ordinary
attention adds them up.

Source of the formula: decomposed relative positions of MViTv2 (Li et al. 2022,
section 4.1), as Segment Anything uses them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .pointwise import has_kernels

__all__ = ["square_attention"]


def square_attention(
    qkv: Tensor, bias: Tensor, rows: Tensor, columns: Tensor, *, heads: int
) -> Tensor:
    """Attention within squares of patches.

    The picture is cut into squares from its upper left corner. Squares that
    reach over its edge are filled up with patches of zeros, whose queries, keys
    and values are the layer's biases; they take part, as in the published code.

    Args:
        qkv: Queries, keys and values, shape ``(pictures, grid, grid, 3 * width)``.
        bias: Of the layer that made them, shape ``(3 * width,)``.
        rows: Relative positions of rows, shape ``(2 * side - 1, head width)``.
        columns: The same of columns. The squares' side follows from it.
        heads: Attention heads.

    Returns:
        Shape ``(pictures, grid, grid, width)``.
    """
    if has_kernels(qkv):
        from ..kernels.window_attention import square_attention as kernel

        return kernel(qkv, bias, rows, columns, heads=heads)
    side = (rows.shape[0] + 1) // 2
    pictures, grid, _, channels = qkv.shape
    across = -(-grid // side)
    if across * side != grid:
        filled = bias.expand(pictures, across * side, across * side, channels).clone()
        filled[:, :grid, :grid] = qkv
        qkv = filled
    squares = qkv.view(pictures, across, side, across, side, channels).transpose(2, 3)
    split = squares.reshape(pictures * across**2, side, side, 3, heads, -1)
    query, key, value = split.permute(3, 0, 4, 1, 2, 5).unbind(0)
    found = _attention(query, key, value, rows, columns)
    joined = found.view(pictures, across, across, heads, side, side, -1)
    joined = joined.permute(0, 1, 4, 2, 5, 3, 6).reshape(
        pictures, across * side, across * side, channels // 3
    )
    return joined[:, :grid, :grid]


def _attention(query: Tensor, key: Tensor, value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """All of shape ``(squares, heads, side, side, head width)``."""
    side, width = query.shape[-2:]
    scale = width**-0.5
    place = torch.arange(side, device=query.device)
    distance = place[:, None] - place[None, :] + side - 1
    # Divided by the scale, because attention multiplies all of the query with it.
    row_terms = torch.einsum("bnrcw,rkw->bnrck", query, rows[distance]) / scale
    column_terms = torch.einsum("bnrcw,ckw->bnrck", query, columns[distance]) / scale
    ones = torch.eye(side, dtype=key.dtype, device=key.device)
    # The fast attention of a GPU wants a multiple of 8 channels, and values as wide as keys.
    spare = -(width + 2 * side) % 8
    shape = (*key.shape[:-1], side)
    query = torch.cat((query, row_terms, column_terms), dim=-1)
    key = torch.cat((key, ones[:, None].expand(shape), ones[None].expand(shape)), dim=-1)
    found = functional.scaled_dot_product_attention(
        functional.pad(query, (0, spare)).flatten(2, 3),
        functional.pad(key, (0, spare)).flatten(2, 3),
        functional.pad(value, (0, 2 * side + spare)).flatten(2, 3),
        scale=scale,
    )
    return found[..., :width]
