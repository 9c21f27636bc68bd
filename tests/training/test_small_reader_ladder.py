"""Pages that come out badly are asked for again: with a network that means what it writes.

A white sheet: the small reader opens a tag and ends. A page that is longer than its context: the answer
has no end until it is asked for without boxes. Beside it in the batch is a page that is read at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_pages import image_of, page_with
from PIL import Image

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.model.prompts import TASKS, mode_named

WHITE = Image.new("RGB", (480, 512), "white")
SHORT = image_of(page_with("", "ox")).convert("RGB")
LONG = image_of(page_with("Harbour Lamp", "")).convert("RGB")
POSITIONS = 122
"""Of a model whose answers may have 27 tokens: ``SHORT`` needs 26, and ``LONG`` 38 with its box."""

ATTEMPTS = 4
"""At first, under the stricter rule, at a temperature, and without layout. The one at another
resolution, whose picture has more tokens than the context, is left out."""

KINDS: dict[str, Callable[..., TransformersBackend | LocalBackend]] = {
    "transformers": lambda model, **options: TransformersBackend(model, batch_size=2, **options),
    "local": lambda model, **options: LocalBackend(model, most_pages=2, **options),
}

BOTH = ["transformers", pytest.param("local", marks=pytest.mark.long)]
"""``tests/backends/test_room_in_the_context.py`` compares them at each change."""


@pytest.fixture(scope="module")
def little_context(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small reader with a context that its longer pages do not fit into."""
    folder = tmp_path_factory.mktemp("context")
    for file in checkpoint.iterdir():
        if file.name != "config.json":
            os.link(file, folder / file.name)
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    config["language_config"]["max_position_embeddings"] = POSITIONS
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def replies(kind: str, model: Path, pages: list[Image.Image], attempts: int) -> list[Reply]:
    backend = KINDS[kind](model, device="cpu", attempts=attempts)
    asked = [
        PageRequest(
            key=key,
            page=key + 1,
            source="drawn",
            sha256="",
            image=image,
            text_layer=None,
            task=TASKS["document"],
            resolution=mode_named("tiny"),
        )
        for key, image in enumerate(pages)
    ]
    try:
        return sorted(backend.read(asked), key=lambda reply: reply.key)
    finally:
        backend.close()


def markdown(reply: Reply) -> str:
    return parse_page(reply.text, recorded=False).markdown


@pytest.mark.parametrize("kind", BOTH)
def test_a_white_sheet_is_asked_for_again_and_warned_about(kind: str, checkpoint: Path) -> None:
    (empty,) = replies(kind, checkpoint, [WHITE], attempts=2)
    assert (markdown(empty), empty.attempts) == ("", 2)
    assert empty.warnings == (
        "asked 2 times (at first: the model wrote tags without any text; stricter against repeats: "
        "the model wrote tags without any text), kept answer 1",
        "the model wrote tags without any text: part of the page may be missing",
    )


@pytest.mark.parametrize("kind", BOTH)
def test_a_page_without_an_end_is_read_without_boxes(kind: str, little_context: Path) -> None:
    """The answer that has an end is kept, after those that have none and one without room."""
    cut, other = replies(kind, little_context, [LONG, SHORT], attempts=ATTEMPTS)
    assert markdown(cut) == "# Harbour Lamp"
    assert (cut.attempts, cut.finish_reason) == (4, "stop")
    assert cut.warnings == (
        "asked 4 times (at first: the model did not finish; stricter against repeats: the model "
        "did not finish; stricter against repeats, at temperature 0.2: the model did not finish; "
        "without layout: read), kept answer 4",
        "read without layout: its blocks have no boxes",
        "not asked at resolution base: picture and prompt have 295 tokens, and the model's context "
        "has 122, so there is no room for a reply",
    )
    assert (markdown(other), other.attempts, other.finish_reason) == ("ox", 1, "stop")
    assert other.warnings == ()
