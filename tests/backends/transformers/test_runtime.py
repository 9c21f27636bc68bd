"""The number format of a model on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepseek_ocr_rag.backends.transformers import runtime
from deepseek_ocr_rag.model.checkpoint import Checkpoint
from deepseek_ocr_rag.model.families import FAMILIES


@pytest.mark.parametrize(("free", "dtype"), [(3000, torch.float32), (2999, torch.bfloat16)])
def test_a_cpu_computes_in_float32_if_the_models_own_weights_fit(
    free: int, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not if those of a full model would: a small one wrote other boxes when memory was short."""
    weights = (tmp_path / "1.safetensors", tmp_path / "2.safetensors")
    for path in weights:
        path.write_bytes(bytes(500))
    family = FAMILIES["deepseek-ocr"]
    checkpoint = Checkpoint("small", tmp_path, family, {}, tmp_path / "tokenizer.json", weights)
    monkeypatch.setattr(runtime, "_free_memory", lambda: free)
    assert runtime._dtype(None, torch.device("cpu"), checkpoint) == dtype
