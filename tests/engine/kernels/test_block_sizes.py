"""Block sizes fit into the shared memory of each kind of card."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.kernels.block_sizes import (
    EXPERTS,
    FEW_EXPERTS,
    FP8_EXPERTS,
    PROMPTS_SECOND,
    expert_tuning,
    few_expert_tuning,
)
from deepseek_ocr_rag.engine.kernels.experts.few import MOST_FEW

KB = 1024
COUNTS = (1, 16, 17, 128, 384, 768, 1024, 4096)
TYPES = (torch.bfloat16, torch.float8_e4m3fn, torch.float32)


def needed(tuning, dtype, matrices: int) -> int:
    """Bytes of the blocks that are loaded ahead, as Triton lays them out: all but the newest."""
    numbers = (matrices * tuning.outputs + tuning.tokens) * tuning.inputs
    return (tuning.stages - 1) * numbers * dtype.itemsize


@pytest.mark.parametrize("kilobytes", [99, 163, 227])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("tokens", COUNTS)
def test_experts_fit_into_shared_memory(tokens, dtype, kilobytes) -> None:
    """With 147 KB of 99, no RTX 30 to RTX 50, L4, A10 or GB10 could start the engine."""
    pairs = [expert_tuning(tokens, dtype, kilobytes * KB)]
    if tokens <= MOST_FEW and dtype != torch.float8_e4m3fn:
        pairs.append(few_expert_tuning(tokens, dtype, kilobytes * KB))
    for first, second in pairs:
        assert needed(first, dtype, 2) <= kilobytes * KB
        assert needed(second, dtype, 1) <= kilobytes * KB
        assert min(first.stages, second.stages) >= 2


@pytest.mark.parametrize("kilobytes", [163, 227])
def test_cards_for_data_centres_have_the_measured_tunings(kilobytes) -> None:
    for tokens in COUNTS:
        plain = next(tuning for most, tuning in EXPERTS if most is None or tokens <= most)
        second = PROMPTS_SECOND if tokens > 1024 else plain
        assert expert_tuning(tokens, torch.bfloat16, kilobytes * KB) == (plain, second)
        if tokens <= MOST_FEW:
            few = next(pair for pair in FEW_EXPERTS if tokens <= pair[0].tokens)
            assert few_expert_tuning(tokens, torch.bfloat16, kilobytes * KB) == few
        pair = next(pair for most, pair in FP8_EXPERTS if most is None or tokens <= most)
        assert expert_tuning(tokens, torch.float8_e4m3fn, kilobytes * KB) == pair
