"""The block sizes of the kernels: the fastest that were measured (``benchmarks/NOTES.md``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch

__all__ = [
    "AttentionTuning",
    "ExpertTuning",
    "attention_tuning",
    "expert_tuning",
    "few_expert_tuning",
    "product_tuning",
]


@dataclass(frozen=True, slots=True)
class AttentionTuning:
    """How decode attention splits the cached tokens."""

    chunk: int  # tokens that one program reads, a multiple of the cache's blocks
    tile: int  # tokens that it reads at once, a cache block or a part of one
    warps: int  # of a program
    stages: int  # blocks that are loaded ahead (software pipelining)
    joined: int = 4  # chunks that are combined at once


@dataclass(frozen=True, slots=True)
class ExpertTuning:
    """How an expert's matrix product is tiled."""

    tokens: int  # of a tile
    outputs: int  # output channels of a tile
    inputs: int  # input channels that are read at once
    warps: int  # of a program
    stages: int  # blocks that are loaded ahead (software pipelining)


ATTENTION: Final = (
    (80, AttentionTuning(chunk=128, tile=64, warps=4, stages=2, joined=16)),
    (160, AttentionTuning(chunk=256, tile=64, warps=4, stages=3, joined=8)),
    (320, AttentionTuning(chunk=512, tile=64, warps=4, stages=3)),
    (1920, AttentionTuning(chunk=1024, tile=64, warps=4, stages=3)),
    (None, AttentionTuning(chunk=2048, tile=64, warps=4, stages=3)),
)
"""Each tuning with the largest number of heads, over all sequences, for which it is used."""

SINGLE: Final = (
    (20, AttentionTuning(chunk=64, tile=32, warps=2, stages=2, joined=16)),
    (40, AttentionTuning(chunk=128, tile=32, warps=2, stages=3, joined=8)),
    (80, AttentionTuning(chunk=192, tile=32, warps=2, stages=3, joined=8)),
    (320, AttentionTuning(chunk=256, tile=32, warps=2, stages=3)),
    (640, AttentionTuning(chunk=512, tile=32, warps=2, stages=3)),
    (1920, AttentionTuning(chunk=1024, tile=32, warps=2, stages=3)),
    (None, AttentionTuning(chunk=2048, tile=32, warps=2, stages=3)),
)
"""The same for single queries over an fp8 cache."""

EXPERTS: Final = (
    (128, ExpertTuning(tokens=16, outputs=128, inputs=128, warps=4, stages=3)),
    (384, ExpertTuning(tokens=32, outputs=128, inputs=64, warps=4, stages=3)),
    (1024, ExpertTuning(tokens=64, outputs=128, inputs=64, warps=8, stages=4)),
    (None, ExpertTuning(tokens=128, outputs=128, inputs=64, warps=8, stages=4)),
)
"""Each tuning with the largest number of tokens for which it is used."""

PROMPTS_SECOND: Final = ExpertTuning(tokens=128, outputs=256, inputs=64, warps=8, stages=4)
"""The second product of more than 1,024 tokens; otherwise both have the same tuning."""

FP8_EXPERTS: Final = (
    (
        2,
        (ExpertTuning(16, 64, 128, warps=4, stages=4), ExpertTuning(16, 64, 64, warps=4, stages=4)),
    ),
    (
        16,
        (
            ExpertTuning(16, 128, 128, warps=8, stages=4),
            ExpertTuning(16, 128, 128, warps=8, stages=4),
        ),
    ),
    (
        128,
        (
            ExpertTuning(16, 128, 128, warps=4, stages=3),
            ExpertTuning(16, 128, 128, warps=4, stages=3),
        ),
    ),
    (
        384,
        (
            ExpertTuning(32, 128, 128, warps=4, stages=3),
            ExpertTuning(32, 128, 128, warps=4, stages=3),
        ),
    ),
    (
        768,
        (
            ExpertTuning(64, 128, 128, warps=8, stages=4),
            ExpertTuning(64, 128, 128, warps=4, stages=3),
        ),
    ),
    (
        None,
        (
            ExpertTuning(128, 128, 128, warps=8, stages=4),
            ExpertTuning(64, 128, 128, warps=4, stages=3),
        ),
    ),
)
"""The same for experts in fp8, for both products. The second reads at once the channels that the
first stores with one scale."""


FEW_EXPERTS: Final = (
    (
        ExpertTuning(16, 64, 128, warps=4, stages=3),
        ExpertTuning(16, 64, 128, warps=4, stages=4),
    ),
    (
        ExpertTuning(32, 64, 64, warps=4, stages=4),
        ExpertTuning(32, 64, 64, warps=4, stages=6),
    ),
)
"""The tunings of both products for few tokens, all of which a program multiplies."""

PRODUCTS: Final = (
    (16, ExpertTuning(tokens=16, outputs=64, inputs=256, warps=4, stages=3)),
    (None, ExpertTuning(tokens=32, outputs=64, inputs=256, warps=4, stages=3)),
)
"""The same for linear layers of 2 tokens and more."""

EIGHT_BIT_PRODUCTS: Final = (
    (16, ExpertTuning(tokens=16, outputs=32, inputs=128, warps=2, stages=4)),
    (None, ExpertTuning(tokens=64, outputs=64, inputs=128, warps=4, stages=4)),
)
"""The same for weights in eight bits, which are converted: each warp has outputs of its own."""


def attention_tuning(heads: int, *, single: bool) -> AttentionTuning:
    """Choose the tuning of decode attention.

    Args:
        heads: Heads of a sequence, times sequences.
        single: Whether each sequence has one query and the cache is fp8.
    """
    table = SINGLE if single else ATTENTION
    return next(tuning for most, tuning in table if most is None or heads <= most)


def expert_tuning(
    tokens: int, dtype: torch.dtype, shared_memory: int
) -> tuple[ExpertTuning, ExpertTuning]:
    """Choose the tunings of both products.

    Args:
        tokens: Number of tokens.
        dtype: Their type.
        shared_memory: Bytes that a program may use. The tunings were measured where these are 227
            KB; most cards that are not for data centres have 99.
    """
    if dtype == torch.float8_e4m3fn:
        first, second = next(pair for most, pair in FP8_EXPERTS if most is None or tokens <= most)
    else:
        first = next(tuning for most, tuning in EXPERTS if most is None or tokens <= most)
        second = PROMPTS_SECOND if tokens > EXPERTS[-2][0] else first
        first, second = _for_type(first, dtype), _for_type(second, dtype)
    room = shared_memory // dtype.itemsize
    return _fitted(first, room, matrices=2), _fitted(second, room, matrices=1)


def few_expert_tuning(
    tokens: int, dtype: torch.dtype, shared_memory: int
) -> tuple[ExpertTuning, ExpertTuning]:
    """Choose the tunings of both products where a program multiplies all tokens."""
    first, second = next(pair for pair in FEW_EXPERTS if tokens <= pair[0].tokens)
    room = shared_memory // dtype.itemsize
    first, second = _for_type(first, dtype), _for_type(second, dtype)
    return _fitted(first, room, matrices=2), _fitted(second, room, matrices=1)


def product_tuning(
    tokens: int, dtype: torch.dtype, shared_memory: int, *, eight_bits: bool
) -> ExpertTuning:
    """Choose the tuning of a linear layer, as :func:`expert_tuning`."""
    table = EIGHT_BIT_PRODUCTS if eight_bits else PRODUCTS
    tuning = next(tuning for most, tuning in table if most is None or tokens <= most)
    return _fitted(_for_type(tuning, dtype), shared_memory // dtype.itemsize, matrices=1)


def _for_type(tuning: ExpertTuning, dtype: torch.dtype) -> ExpertTuning:
    """Read less at once of float32, which takes twice the bytes of the measured types."""
    return replace(tuning, inputs=tuning.inputs // 2) if dtype == torch.float32 else tuning


def _fitted(tuning: ExpertTuning, room: int, *, matrices: int) -> ExpertTuning:
    """Load fewer blocks ahead, if they do not fit into ``room`` numbers of shared memory."""
    block = (matrices * tuning.outputs + tuning.tokens) * tuning.inputs
    return replace(tuning, stages=max(2, min(tuning.stages, 1 + room // block)))
