"""Sizes of the network, from the published configurations."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from deepseek_ocr_rag.engine.weights.config import PUBLISHED, QwenConfig, engine_config
from deepseek_ocr_rag.errors import ConfigurationError


@pytest.fixture
def published(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "deepseek-ocr-files" / "config.json").read_text(encoding="utf-8"))


def test_the_published_sizes(published) -> None:
    assert engine_config(published) == PUBLISHED


def test_the_tiny_checkpoint_has_sizes_of_its_own(golden_config) -> None:
    assert golden_config.sam.neck_width == 24
    assert golden_config.sam.mlp_width == 256
    assert golden_config.second.mlp_width == 192
    assert golden_config.decoder.experts_per_token == 3


def test_unlimited_ocr_is_the_same_network_with_a_window(published) -> None:
    config = published | {"model_type": "unlimited-ocr", "sliding_window": 96}
    assert engine_config(config).decoder.reference_window == 96
    assert (
        engine_config(published | {"model_type": "unlimited_ocr"}).decoder.reference_window == 128
    )
    assert engine_config(published).decoder.reference_window is None


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"use_mla": True}, "share keys and values"),
        ({"num_key_value_heads": 2}, "share keys and values"),
        ({"topk_method": "group_limited_greedy"}, "in groups"),
        ({"norm_topk_prob": True}, "weights of experts"),
        ({"rope_scaling": {"type": "yarn"}}, "scaled positions"),
    ],
)
def test_networks_that_the_engine_does_not_run_are_refused(published, changes, what) -> None:
    published["language_config"] |= changes
    with pytest.raises(ConfigurationError, match=what) as refused:
        engine_config(published)
    assert "transformers" in refused.value.remedy


def test_the_second_model_has_another_second_tower(published) -> None:
    published["vision_config"]["model_name"] = "deepencoderv2"
    published["vision_config"]["width"]["qwen2-0-5b"] = {"dim": 896}
    del published["vision_config"]["width"]["clip-l-14-224"]
    config = engine_config(published)
    assert config.second == QwenConfig(width=896)
    assert config.second.head_width == 64
    assert config.sam.widths == (512, 896)
    assert config.decoder == PUBLISHED.decoder


def places(config: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where the sizes stand."""
    found = []
    for key, value in config.items():
        if isinstance(value, dict):
            found += places(value, (*path, key))
        found.append((*path, key))
    return found


@pytest.mark.parametrize("value", [None, "many", -1, [], {}])
def test_broken_configurations_give_our_error_or_none(published, value) -> None:
    """Whatever stands in the place of a size."""
    sizes = [p for p in places(published) if p[0].endswith("_config")]
    for path in sizes:
        config = copy.deepcopy(published)
        parent = config
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
        try:
            engine_config(config)
        except ConfigurationError:
            continue


@pytest.mark.parametrize(
    "path",
    [
        ("language_config", "hidden_size"),
        ("vision_config", "width", "sam_vit_b", "heads"),
        ("vision_config", "width", "clip-l-14-224", "layers"),
        ("vision_config", "width", "sam_vit_b", "downsample_channels"),
    ],
)
def test_a_missing_size_is_named(published, path) -> None:
    parent = published
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    with pytest.raises(ConfigurationError, match=path[-1]):
        engine_config(published)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("language_config", "num_hidden_layers"), 0),
        (("language_config", "num_experts_per_tok"), 65),
        (("vision_config", "width", "sam_vit_b", "downsample_channels"), [512, 512]),
        (("vision_config", "width", "sam_vit_b", "heads"), 7),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(published, path, value) -> None:
    parent = published
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(ConfigurationError, match="fit together"):
        engine_config(published)
