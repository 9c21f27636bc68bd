"""Pages that come out badly are asked for again: with a network that means what it writes.

A white sheet: the small reader opens a tag and ends. A page that is longer than its context: the answer
has no end until it is asked for without boxes. In each case a page beside it in the batch that is read
at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from drawn_pages import DrawnPage, image_of, page_with
from PIL import Image
from small_reader import write_checkpoint

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.model.prompts import TASKS, mode_named

WHITE = Image.new("RGB", (480, 512), "white")
SHORT = page_with("", "ox")
LONG = page_with("Harbour Lamp", "")
POSITIONS = 122
"""Of a model whose answers may have 27 tokens: ``SHORT`` needs 26, and ``LONG`` 38 with its box."""

KINDS = {
    "transformers": lambda model, **options: TransformersBackend(model, batch_size=2, **options),
    "local": lambda model, **options: LocalBackend(model, most_pages=2, **options),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("reader") / "small")


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


def replies(
    kind: str, model: Path, pages: list[DrawnPage | Image.Image], attempts: int
) -> list[Reply]:
    backend = KINDS[kind](model, device="cpu", attempts=attempts)
    asked = [
        PageRequest(
            key=key,
            page=key + 1,
            source="drawn",
            sha256="",
            image=(each if isinstance(each, Image.Image) else image_of(each)).convert("RGB"),
            text_layer=None,
            task=TASKS["document"],
            resolution=mode_named("tiny"),
        )
        for key, each in enumerate(pages)
    ]
    try:
        return sorted(backend.read(asked), key=lambda reply: reply.key)
    finally:
        backend.close()


def markdown(reply: Reply) -> str:
    return parse_page(reply.text, recorded=False).markdown


@pytest.mark.parametrize("kind", KINDS)
def test_a_white_sheet_is_asked_for_again_and_warned_about(kind: str, checkpoint: Path) -> None:
    empty, other = replies(kind, checkpoint, [WHITE, SHORT], attempts=2)
    assert (markdown(empty), empty.attempts) == ("", 2)
    assert empty.warnings == (
        "asked 2 times (at first: the model wrote tags without any text; stricter against repeats: "
        "the model wrote tags without any text), kept answer 1",
        "the model wrote tags without any text: part of the page may be missing",
    )
    assert (markdown(other), other.attempts, other.finish_reason) == ("ox", 1, "stop")
    assert other.warnings == ()


def test_a_page_without_an_end_is_read_without_boxes(little_context: Path) -> None:
    """The answer that has an end is kept, whatever came before it.

    ``local`` asks twice only: it takes the third attempt, whose prompt is longer than the context, for
    the end.
    """
    cut, other = replies("transformers", little_context, [LONG, SHORT], attempts=5)
    assert markdown(cut) == "# Harbour Lamp"
    assert (cut.attempts, cut.finish_reason) == (5, "stop")
    assert cut.warnings[0].startswith(
        "asked 5 times (at first: the model found no end; stricter against repeats: the model "
        "found no end; at resolution base: "
    )
    assert cut.warnings[0].endswith("without layout: read), kept answer 5")
    assert cut.warnings[1:] == ("read without layout: its blocks have no boxes",)
    assert (markdown(other), other.attempts, other.warnings) == ("ox", 1, ())
