"""Published configurations become the published networks, weight for weight."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from deepseek_ocr_rag.backends.transformers.model_loading import load_model, model_config
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError
from deepseek_ocr_rag.model.checkpoint import Checkpoint
from deepseek_ocr_rag.model.families import family_of

UNUSED = 1024 * 3 * 14 * 14
"""Weights of the second tower's own patch embedding, which is published and never used."""


@pytest.fixture
def published(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "deepseek-ocr-files" / "config.json").read_text())


def configured(config: dict[str, Any]) -> tuple[Any, Any]:
    return model_config(Checkpoint("published", Path(), family_of(config), config, Path(), ()))


def count(config: dict[str, Any]) -> int:
    form, model_class = configured(config)
    with torch.device("meta"):
        return sum(weight.numel() for weight in model_class(form).parameters())


def test_the_first_model_has_as_many_weights_as_are_published(published, shared: Path) -> None:
    index = json.loads((shared / "deepseek-ocr-files/model.safetensors.index.json").read_text())
    assert 2 * (count(published) + UNUSED) == index["metadata"]["total_size"]


def test_quantized_weights_are_refused_with_who_reads_them(published) -> None:
    config = published | {"quantization_config": {"quant_method": "compressed-tensors"}}
    checkpoint = Checkpoint("eight bits", Path(), family_of(config), config, Path(), ())
    with pytest.raises(BackendUnavailableError, match=r"quantized.*compressed-tensors.*local"):
        load_model(checkpoint, dtype=torch.float32, device_map={"": "cpu"})


def test_the_first_model_attends_to_everything(published) -> None:
    form, _ = configured(published)
    assert form.model_type == "unlimited_ocr"
    assert form.text_config.layer_types == ["full_attention"] * 12
    assert form.text_config.max_position_embeddings == 8192


def test_unlimited_ocr_keeps_its_window(published) -> None:
    form, _ = configured(published | {"model_type": "unlimited-ocr", "sliding_window": 96})
    assert form.text_config.layer_types == ["reference_sliding_attention"] * 12
    assert form.text_config.sliding_window == 96


def test_the_second_model_has_the_tower_that_its_code_builds(published) -> None:
    config = copy.deepcopy(published)
    config["vision_config"]["model_name"] = "deepencoderv2"
    config["vision_config"]["width"] = {
        "sam_vit_b": published["vision_config"]["width"]["sam_vit_b"],
        "qwen2-0-5b": {"dim": 896},
    }
    form, _ = configured(config)
    assert form.vision_config.sam_config.downsample_channels == [512, 896]
    assert form.vision_config.encoder_config.rope_parameters["rope_theta"] == 1_000_000
    assert form.text_config.mlp_layer_types == ["dense", *["sparse"] * 11]
    assert count(config) == pytest.approx(3.39e9, rel=1e-3)


@pytest.mark.parametrize("missing", ["language_config", "vision_config"])
def test_a_configuration_that_lacks_a_part_is_a_typed_error(published, missing: str) -> None:
    checkpoint = Checkpoint("broken", Path(), family_of(published), published, Path(), ())
    published.pop(missing)
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        model_config(checkpoint)
