"""Computes the first tower's attention: over windows of patches, with relative positions.

The score of a query and a key gets one bias for their distance in rows and one for
their distance in columns. Written out, the biases are a matrix of 4,096 x 4,096 for
each head of a page. That matrix is never made: the biases are appended to the query, and
one-hot vectors of row and column to the key, so that ordinary attention adds them.

Source of the formula: decomposed relative positions of MViTv2 (Li et al. 2022,
section 4.1), as Segment Anything uses them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .pointwise import has_kernels

__all__ = ["window_attention"]


def window_attention(
    qkv: Tensor, bias: Tensor, rows: Tensor, columns: Tensor, *, heads: int
) -> Tensor:
    """Compute attention within windows of patches.

    The picture is cut into windows from its upper left corner. Windows that reach over its edge are
    padded with zero patches, whose queries, keys and values are the layer's biases; they take part
    in the attention, as in the published code.

    ``qkv`` has the shape ``(pictures, grid, grid, 3 * width)``; ``bias`` is that of the layer that
    made it, ``(3 * width,)``. ``rows`` and ``columns`` are relative positions, ``(2 * side - 1,
    head width)``, which determine the windows' side. Returns ``(pictures, grid, grid, width)``.
    """
    if has_kernels(qkv):
        from ..kernels.window_attention import window_attention as kernel

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
    """Compute attention on tensors of shape ``(windows, heads, side, side, head width)``."""
    side, width = query.shape[-2:]
    scale = width**-0.5
    index = torch.arange(side, device=query.device)
    distance = index[:, None] - index[None, :] + side - 1
    # The biases are divided by the scale, because attention multiplies the whole query by it.
    row_terms = torch.einsum("bnrcw,rkw->bnrck", query, rows[distance]) / scale
    column_terms = torch.einsum("bnrcw,ckw->bnrck", query, columns[distance]) / scale
    ones = torch.eye(side, dtype=key.dtype, device=key.device)
    # Fast GPU attention needs a multiple of 8 channels, and values as wide as keys.
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
