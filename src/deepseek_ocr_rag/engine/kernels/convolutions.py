"""Cuts picture bytes into patch vectors, and convolves the first tower's results, each in one pass."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .launching import launch

__all__ = ["convolved", "patch_vectors"]


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


@triton.jit(do_not_specialize=["pixels", "grid", "shrunk"])
def _convolved(
    values,
    kernel,
    result,
    pixels,
    grid,
    shrunk,
    STRIDE: tl.constexpr,
    CHANNELS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PIXELS: tl.constexpr,
    OUTPUTS_AT_ONCE: tl.constexpr,
    CHANNELS_AT_ONCE: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Compute some outputs of some pixels: the product of their neighbours' channels and the kernel."""
    output = tl.program_id(0) * OUTPUTS_AT_ONCE + tl.arange(0, OUTPUTS_AT_ONCE)
    pixel = tl.program_id(1) * PIXELS + tl.arange(0, PIXELS)
    row = pixel // shrunk % shrunk * STRIDE
    column = pixel % shrunk * STRIDE
    picture = pixel // (shrunk * shrunk)
    total = tl.zeros([PIXELS, OUTPUTS_AT_ONCE], tl.float32)
    parts: tl.constexpr = (CHANNELS + CHANNELS_AT_ONCE - 1) // CHANNELS_AT_ONCE
    for step in tl.range(0, 9 * parts, num_stages=STAGES):
        neighbour = step // parts
        above = row + neighbour // 3 - 1
        before = column + neighbour % 3 - 1
        real = (above >= 0) & (above < grid) & (before >= 0) & (before < grid) & (pixel < pixels)
        first = tl.multiple_of(step % parts * CHANNELS_AT_ONCE, CHANNELS_AT_ONCE)
        channel = first + tl.arange(0, CHANNELS_AT_ONCE)
        known = real[:, None]
        wanted = (output < OUTPUTS)[None, :]
        if CHANNELS % CHANNELS_AT_ONCE != 0:
            known &= (channel < CHANNELS)[None, :]
            wanted &= (channel < CHANNELS)[:, None]
        cell = ((picture * grid + above) * grid + before) * CHANNELS
        value = tl.load(values + cell[:, None] + channel[None, :], mask=known, other=0.0)
        weight = output[None, :] * (9 * CHANNELS) + neighbour * CHANNELS + channel[:, None]
        matrix = tl.load(kernel + weight, mask=wanted, other=0.0)
        total = tl.dot(value, matrix, total, input_precision="ieee")
    tl.store(
        result + pixel[:, None] * OUTPUTS + output[None, :],
        total.to(result.dtype.element_ty),
        mask=(pixel < pixels)[:, None] & (output < OUTPUTS)[None, :],
    )


def convolved(values: Tensor, kernel: Tensor, *, stride: int) -> Tensor:
    """See :func:`.sam.convolved`; ``values`` must be contiguous."""
    pictures, grid, _, channels = values.shape
    outputs = len(kernel)
    shrunk = triton.cdiv(grid, stride)
    pixels = pictures * shrunk * shrunk
    result = values.new_empty(pictures, shrunk, shrunk, outputs)
    launch(
        _convolved,
        (triton.cdiv(outputs, 128), triton.cdiv(pixels, 128)),
        values,
        kernel,
        result,
        pixels,
        grid,
        shrunk,
        STRIDE=stride,
        CHANNELS=channels,
        OUTPUTS=outputs,
        PIXELS=128,
        OUTPUTS_AT_ONCE=128,
        CHANNELS_AT_ONCE=min(64, max(16, triton.next_power_of_2(channels))),
        STAGES=3,
        num_warps=8,
    )
    return result
