"""``benchmarks/engine/vision.py``, whose figures need a card: what it compares, on the CPU."""

from __future__ import annotations

import re

import pytest
import tiny_engine
import torch
from benchmark_scripts import BENCHMARKS, load_benchmark

pytest.importorskip("triton")

from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantized
from deepseek_ocr_rag.model.families import FAMILIES


@pytest.fixture
def vision(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "engine")  # for the scripts that it imports
    return load_benchmark("engine/vision.py")


@pytest.mark.parametrize(("kind", "least", "most"), [("model", 0.0, 1e-5), ("fp8", 1e-3, 0.1)])
def test_it_says_how_far_the_towers_are_from_float32(
    vision, monkeypatch, capsys, kind, least, most
) -> None:
    def small(*shape: int) -> torch.Tensor:
        return torch.randint(0, 256, [min(size, 128) for size in shape], dtype=torch.uint8)

    monkeypatch.setattr(vision, "random_bytes", small)
    weights = random_weights(tiny_engine.SECOND, dtype=torch.float32)
    stored = quantized(weights, "model", kind)
    towers = vision.Towers(
        FAMILIES["deepseek-ocr-2"], tiny_engine.SECOND, stored.vision, weights.vision
    )
    vision.check(towers)
    told = [float(number) for number in re.findall(r"difference (\S+)", capsys.readouterr().out)]
    assert len(told) == 4
    assert all(least <= error <= most for error in told)
