"""Tiny random models, and pages to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from small_reader import write_checkpoint
from tiny_models import write_model
from training_pages import ANSWERS, PROMPT

from deepseek_ocr_rag.model.families import FAMILIES


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of every family, by its name."""
    place = tmp_path_factory.mktemp("models")
    return {family: write_model(place / family, family) for family in sorted(FAMILIES)}


@pytest.fixture(params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    """All of them, one after the other."""
    return folders[request.param]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small reader; 150 MB, so there is one for all tests, which do not write to it."""
    return write_checkpoint(tmp_path_factory.mktemp("reader") / "small")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four samples, one of them to judge by."""
    place = tmp_path_factory.mktemp("data")
    lines = []
    for number in range(4):
        answer = ANSWERS[number % 2]
        image = Image.new("RGB", (300, 400), "white")
        ImageDraw.Draw(image).text((20, 20 + 40 * number), answer[-12:], fill="black")
        image.save(place / f"{number}.png")
        chat = [
            {"role": "user", "content": f"<image>\n{PROMPT}"},
            {"role": "assistant", "content": answer},
        ]
        split = "validation" if number == 3 else "train"
        line = {
            "id": f"page {number}",
            "messages": chat,
            "images": [f"{number}.png"],
            "split": split,
        }
        lines.append(json.dumps(line))
    (place / "train.jsonl").write_text("\n".join(lines), "utf-8")
    return place
