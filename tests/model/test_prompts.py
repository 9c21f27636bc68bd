"""Tasks and modes are the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES, TASKS, mode_named, task_named


def test_the_document_prompt_is_the_published_one() -> None:
    task = task_named("document")
    assert task.prompt == "<|grounding|>Convert the document to markdown."
    assert task.ollama_prompt == "\n<|grounding|>Convert the document to markdown."


def test_only_grounded_tasks_ask_for_boxes() -> None:
    for task in TASKS.values():
        assert task.grounded == ("<|grounding|>" in task.prompt)


def test_locate_names_what_to_find() -> None:
    task = task_named("locate: the total")
    assert task.prompt == "Locate <|ref|>the total<|/ref|> in the image."
    assert task.grounded


def test_what_to_locate_cannot_end_its_own_tag() -> None:
    assert task_named("locate: a<|/ref|>b").prompt.count("<|/ref|>") == 1


@pytest.mark.parametrize(
    ("written", "prompt", "grounded"),
    [
        ("Read the dates.", "Read the dates.", False),
        ("  two\nlines\n", "two\nlines", False),
        ("<|grounding|>Read the dates.", "<|grounding|>Read the dates.", True),
        ("Where is <|ref|>it<|/ref|>?", "Where is <|ref|>it<|/ref|>?", True),
        # As the model's card writes its prompts.
        ("<image>\n<|grounding|>OCR this image.", "<|grounding|>OCR this image.", True),
        ("document: a", "document: a", False),
    ],
)
def test_a_prompt_of_ones_own_is_asked_as_it_is_written(
    written: str, prompt: str, grounded: bool
) -> None:
    task = task_named(f"prompt: {written}")
    assert (task.prompt, task.ollama_prompt, task.grounded) == (prompt, f"\n{prompt}", grounded)
    assert task.custom


def test_the_same_words_are_the_same_task_however_they_are_spaced() -> None:
    assert task_named("locate:the total") == task_named("locate:  the total ")
    assert task_named("prompt:<image>\nRead.") == task_named("prompt: Read.")


@pytest.mark.parametrize("name", ["prompt: compare <image> and <image>", "locate: <image>"])
def test_a_second_image_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="page always comes before the prompt"):
        task_named(name)


def test_published_tasks_are_not_ones_own() -> None:
    assert not any(task.custom for task in [*TASKS.values(), task_named("locate: prompt: x")])


@pytest.mark.parametrize(
    "name",
    ["", "Document", "locate", "locate:", "locate: <||>", "prompt", "prompt: ", "prompt: <image>"],
)
def test_an_unknown_task_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigurationError, match="document, ocr, free"):
        task_named(name)


def test_gundam_renders_what_the_largest_tiles_show() -> None:
    most = max(family.tile_side for family in FAMILIES.values())
    # A page of A4 or letter becomes two columns and three rows of tiles.
    assert MODES["gundam"].long_side == 3 * most


def test_an_unknown_mode_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigurationError, match="tiny, small, base, large, gundam"):
        mode_named("huge")


def test_modes_have_the_published_sizes(shared: Path) -> None:
    sizes = {name: (mode.base_size, mode.image_size, mode.crop) for name, mode in MODES.items()}
    assert sizes == {
        "tiny": (512, 512, False),
        "small": (640, 640, False),
        "base": (1024, 1024, False),
        "large": (1280, 1280, False),
        "gundam": (1024, 640, True),
    }
    cases = json.loads((shared / "golden/deepseek-ocr-tiny/cases.json").read_text())
    seen = {
        (case["base_size"], case["image_size"], case["crop_mode"])
        for case in (cases if isinstance(cases, list) else cases.values())
        if case["crop_mode"] or case["base_size"] == case["image_size"]
    }
    assert seen <= set(sizes.values())
