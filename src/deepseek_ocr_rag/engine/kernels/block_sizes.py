"""Block sizes of the kernels, as they were measured best (``benchmarks/NOTES.md``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch

__all__ = ["AttentionTuning", "ExpertTuning", "attention_tuning", "expert_tuning"]


@dataclass(frozen=True, slots=True)
class AttentionTuning:
    """How the past is cut.

    Attributes:
        chunk: Tokens that one program reads, a multiple of the page.
        block: Tokens that it reads at once, a page or a part of one.
        warps: Of a program.
        stages: Blocks under way at once.
        joined: Chunks that are joined at once.
    """

    chunk: int
    block: int
    warps: int
    stages: int
    joined: int = 4


@dataclass(frozen=True, slots=True)
class ExpertTuning:
    """How an expert's product is cut.

    Attributes:
        tokens: Tokens of a block.
        outputs: Output channels of a block.
        inputs: Input channels that are read at once.
        warps: Of a program.
        stages: Blocks under way at once.
    """

    tokens: int
    outputs: int
    inputs: int
    warps: int
    stages: int


ATTENTION: Final = (
    (40, AttentionTuning(chunk=64, block=64, warps=4, stages=2, joined=16)),
    (320, AttentionTuning(chunk=256, block=64, warps=4, stages=3)),
    (1280, AttentionTuning(chunk=512, block=64, warps=4, stages=3)),
    (None, AttentionTuning(chunk=1024, block=64, warps=4, stages=3)),
)
"""By the number of heads of all sequences together, up to which each holds."""

SINGLE: Final = (
    (40, AttentionTuning(chunk=64, block=32, warps=2, stages=2, joined=16)),
    (320, AttentionTuning(chunk=256, block=32, warps=2, stages=3)),
    (1280, AttentionTuning(chunk=512, block=32, warps=2, stages=3)),
    (None, AttentionTuning(chunk=1024, block=32, warps=2, stages=3)),
)
"""The same for single queries over eight bits."""

EXPERTS: Final = (
    (16, ExpertTuning(tokens=16, outputs=64, inputs=128, warps=4, stages=4)),
    (128, ExpertTuning(tokens=16, outputs=128, inputs=128, warps=4, stages=3)),
    (384, ExpertTuning(tokens=32, outputs=128, inputs=64, warps=4, stages=3)),
    (1024, ExpertTuning(tokens=64, outputs=128, inputs=64, warps=8, stages=4)),
    (None, ExpertTuning(tokens=128, outputs=128, inputs=64, warps=8, stages=4)),
)
"""By the number of tokens, up to which each holds."""


def attention_tuning(heads: int, *, single: bool) -> AttentionTuning:
    """For so many heads of all sequences together, and perhaps single queries over eight bits."""
    table = SINGLE if single else ATTENTION
    return next(tuning for most, tuning in table if most is None or heads <= most)


def expert_tuning(tokens: int, dtype: torch.dtype) -> ExpertTuning:
    """For so many tokens at once, of that type."""
    tuning = next(tuning for most, tuning in EXPERTS if most is None or tokens <= most)
    if dtype == torch.float32:
        # Twice as wide as what was measured: shared memory would not hold it.
        return replace(tuning, inputs=tuning.inputs // 2)
    return tuning
