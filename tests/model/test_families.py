"""Which model a folder holds, and how many tokens its pages become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES, family_of
from deepseek_ocr_rag.model.prompts import MODES, TASKS, task_named

FIRST = FAMILIES["deepseek-ocr"]


def test_the_published_configuration_is_the_first_model(shared: Path) -> None:
    config = json.loads((shared / "deepseek-ocr-files" / "config.json").read_text())
    assert family_of(config) is FIRST


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "unlimited-ocr"}, "unlimited-ocr"),
        ({"model_type": "unlimited_ocr"}, "unlimited-ocr"),
        ({"model_type": "deepseek_ocr2"}, "deepseek-ocr-2"),
        (
            {"model_type": "deepseek_vl_v2", "vision_config": {"model_name": "deepencoderv2"}},
            "deepseek-ocr-2",
        ),
    ],
)
def test_the_other_models_are_known_by_their_type(config: dict, name: str) -> None:
    assert family_of(config).name == name


@pytest.mark.parametrize(
    "config",
    [{}, {"model_type": "llama"}, {"model_type": "deepseek_vl_v2", "vision_config": {}}],
)
def test_another_model_is_refused(config: dict) -> None:
    with pytest.raises(ConfigurationError, match="deepseek-ai/DeepSeek-OCR"):
        family_of(config)


def test_token_counts_equal_the_published_ones(golden_case) -> None:
    facts = golden_case.facts
    grid = tuple(facts["crop_grid"]) if facts["tiles"] else None
    assert FIRST.image_tokens(facts["base_size"], grid) == facts["image_tokens"]


def test_the_second_model_has_256_tokens_and_144_a_tile_and_one() -> None:
    second = FAMILIES["deepseek-ocr-2"]
    assert second.image_tokens(1024, None) == 257
    assert second.image_tokens(1024, (2, 3)) == 256 + 6 * 144 + 1


def test_the_first_two_models_are_asked_with_a_line_end_before_every_prompt() -> None:
    for name in ("deepseek-ocr", "deepseek-ocr-2"):
        for task in [*TASKS.values(), task_named("locate: x"), task_named("prompt: x")]:
            assert FAMILIES[name].prompt(task) == f"\n{task.prompt}"
            assert FAMILIES[name].prompt_warnings(task) == ()


def test_unlimited_ocr_is_asked_its_own_words_for_a_document() -> None:
    unlimited = FAMILIES["unlimited-ocr"]
    assert unlimited.prompt(task_named("document")) == "document parsing."
    assert unlimited.prompt_warnings(task_named("document")) == ()


def test_unlimited_ocr_does_other_tasks_as_the_first_model_with_a_warning() -> None:
    unlimited = FAMILIES["unlimited-ocr"]
    assert unlimited.prompt(task_named("free")) == "\nFree OCR."
    (warning,) = unlimited.prompt_warnings(task_named("free"))
    assert "'free'" in warning


def test_unlimited_ocr_gets_a_prompt_of_the_users_own_without_a_line_end() -> None:
    unlimited = FAMILIES["unlimited-ocr"]
    task = task_named("prompt: <image>Multi page parsing.")
    assert unlimited.prompt(task) == "Multi page parsing."
    assert unlimited.prompt_warnings(task) == ()


def test_every_revision_is_a_whole_commit() -> None:
    assert all(len(f.revision) == 40 and int(f.revision, 16) for f in FAMILIES.values())


def test_unlimited_ocr_has_words_of_its_own_for_a_document_only() -> None:
    unlimited = FAMILIES["unlimited-ocr"]
    assert unlimited.prompt(task_named("document")) == "document parsing."
    assert unlimited.prompt(task_named("free")) == "\nFree OCR."


def test_modes_mean_the_family_s_own_tiles() -> None:
    assert FIRST.view_sides(MODES["gundam"]) == (1024, 640)
    assert FAMILIES["deepseek-ocr-2"].view_sides(MODES["gundam"]) == (1024, 768)
    assert FIRST.view_sides(MODES["large"]) == (1280, None)


def test_a_mode_that_a_model_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(ConfigurationError, match="Use base or gundam"):
        FAMILIES["deepseek-ocr-2"].view_sides(MODES["large"])
