"""Cuts picture bytes into patch vectors in one pass."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["patch_vectors"]


@triton.jit(do_not_specialize=["grid"])
def _patch_vectors(views, numbers, vectors, side, grid, PATCH: tl.constexpr, PATCHES: tl.constexpr):
    """Cut one channel of some patches of one patch row."""
    row = tl.program_id(0)
    channel = tl.program_id(1) % 3
    picture = (tl.program_id(1) // 3).to(tl.int64)
    patch = (tl.program_id(2) * PATCHES + tl.arange(0, PATCHES))[:, None, None]
    line = tl.arange(0, PATCH)[None, :, None]
    dot = tl.arange(0, PATCH)[None, None, :]
    inside = patch < grid
    pixel = ((picture * 3 + channel) * side + row * PATCH + line) * side + patch * PATCH + dot
    byte = tl.load(views + pixel, mask=inside, other=0).to(tl.int32)
    offset = (picture * grid + row) * grid + patch
    target = ((offset * 3 + channel) * PATCH + line) * PATCH + dot
    tl.store(vectors + target, tl.load(numbers + byte), mask=inside)


def patch_vectors(views: Tensor, patch: int, numbers: Tensor) -> Tensor:
    """See :func:`.preprocessing.patch_vectors`; ``numbers`` holds each byte's value, ``(256,)``.

    ``patch`` must be a power of two.
    """
    pictures, _, side, _ = views.shape
    grid = side // patch
    vectors = numbers.new_empty(pictures, grid, grid, 3 * patch * patch)
    at_once = 8
    launch(
        _patch_vectors,
        (grid, pictures * 3, triton.cdiv(grid, at_once)),
        views.contiguous(),
        numbers,
        vectors,
        side,
        grid,
        PATCH=patch,
        PATCHES=at_once,
        num_warps=4,
    )
    return vectors
