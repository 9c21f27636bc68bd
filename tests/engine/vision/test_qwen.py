"""DeepSeek-OCR-2's towers equal those of transformers, weight for weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
import torch
from tiny_engine import SECOND as CONFIG
from transformers import DeepseekOcr2ForConditionalGeneration

from deepseek_ocr_rag.engine.vision.preprocessing import patch_vectors
from deepseek_ocr_rag.engine.vision.qwen import Qwen
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.weights.config import EngineConfig, QwenConfig
from deepseek_ocr_rag.engine.weights.loading import load_weights, random_weights
from deepseek_ocr_rag.model.families import FAMILIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.write_model(tmp_path_factory.mktemp("second") / "model", "deepseek-ocr-2")


@pytest.fixture(scope="module")
def vision(folder) -> Vision:
    files = [folder / "model.safetensors"]
    return Vision(CONFIG, load_weights(CONFIG, files, dtype=torch.float32).vision)


@pytest.fixture(scope="module")
def published(folder):
    return DeepseekOcr2ForConditionalGeneration.from_pretrained(folder).eval()


def normalised(views: np.ndarray) -> torch.Tensor:
    """As the model of transformers takes pictures."""
    bytes_ = torch.from_numpy(views)
    grid = views.shape[-1] // 16
    vectors = patch_vectors(bytes_, 16, torch.float32).view(len(views), grid, grid, 3, 16, 16)
    return vectors.permute(0, 3, 1, 4, 2, 5).reshape(bytes_.shape)


@pytest.mark.parametrize(
    ("side", "grid"), [(768, None), (1024, None), (1024, (1, 2))], ids=["768", "1024", "tiles"]
)
def test_embeddings_equal_those_of_transformers(vision, published, side, grid) -> None:
    numbers = np.random.default_rng(0)
    count = grid[0] * grid[1] if grid else 0
    view = numbers.integers(0, 256, (3, side, side), dtype=np.uint8)
    tiles = numbers.integers(0, 256, (count, 3, 768, 768), dtype=np.uint8)
    (found,) = vision.embed([SimpleNamespace(global_view=view, tiles=tiles, grid=grid)])
    with torch.no_grad():
        (expected,) = published.get_image_features(
            normalised(view[None]),
            normalised(tiles) if count else None,
            num_local_patches=[count],
        ).pooler_output
    assert len(found) == FAMILIES["deepseek-ocr-2"].image_tokens(side, grid)
    assert (found - expected).abs().max() < 1e-4


def test_heads_share_keys() -> None:
    """The published tower has seven heads for each of keys; the tiny one has not."""
    torch.manual_seed(0)
    shared = QwenConfig(width=32, layers=2, heads=4, key_heads=2, mlp_width=16)
    config = EngineConfig(CONFIG.sam, shared, CONFIG.decoder)
    weights = random_weights(config, dtype=torch.float32).vision.second
    alone = QwenConfig(width=32, layers=2, heads=4, key_heads=4, mlp_width=16)
    patches = torch.randn(1, 3, 3, 32)
    found = Qwen(shared, weights)(patches)
    assert torch.allclose(found, Qwen(alone, with_own_keys(weights))(patches), atol=1e-5)


def with_own_keys(weights):
    """The same tower with the keys and values written out for every head."""

    def written_out(joint: torch.Tensor) -> torch.Tensor:
        query, key, value = joint.split([32, 16, 16])
        parts = (part.view(2, 8, *part.shape[1:]).repeat_interleave(2, 0) for part in (key, value))
        return torch.cat([query, *(part.flatten(0, 1) for part in parts)])

    layers = tuple(
        replace(
            layer,
            qkv=replace(
                layer.qkv, weight=written_out(layer.qkv.weight), bias=written_out(layer.qkv.bias)
            ),
        )
        for layer in weights.layers
    )
    return replace(weights, layers=layers)
