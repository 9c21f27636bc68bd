"""Pages that lie on their side are told from upright ones, and tables from both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.page_images import turned
from deepseek_ocr_rag.model.orientation import orientation
from deepseek_ocr_rag.sources.source import open_source

PROSE = (
    "qa/pdf/AMCOR_2022_8K_dated-2022-07-01.pdf",
    "qa/pdf/3276a5b991c49cf5f9a4af0f7d6fce67.pdf",
    "ocr/docling/2305.03393v1-pg9.pdf",
    "ocr/scribeocr/multicol_03.png",
    "ocr/publaynet/PMC5590435_00004.jpg",
)


def pages(files: Iterator[Path]) -> Iterator[Image.Image]:
    for file in files:
        with open_source(file) as source:
            yield source.render(1, 1200)


@pytest.mark.parametrize("name", PROSE)
def test_a_real_page_of_text_is_upright_and_is_seen_to_be_turned(shared: Path, name: str) -> None:
    file = shared / "corpus" / name
    if not file.exists():
        pytest.skip(f"no {name} on this machine")
    (page,) = pages(iter([file]))
    assert orientation(page).turn == 0
    assert orientation(turned(page, 90)).turn == 270
    assert orientation(turned(page, 270)).turn == 90


def test_a_page_that_really_lies_on_its_side_is_seen(shared: Path) -> None:
    folder = shared / "corpus" / "ocr" / "docling-eval" / "009_rotation_on_table"
    (page,) = pages(iter([folder / "input.pdf"]))
    assert orientation(page).turn in (90, 270)
    assert orientation(turned(page, 90)).turn == 0


def test_upright_tables_receipts_and_photos_are_left_alone(shared: Path) -> None:
    corpus = shared / "corpus" / "ocr"
    files = [
        *islice(sorted(corpus.glob("icdar2013/*.pdf")), 6),
        *islice(sorted(corpus.glob("sroie/*.jpg")), 4),
        *islice(sorted(corpus.glob("pubtabnet/*.png")), 4),
    ]
    assert files
    assert [orientation(page).turn for page in pages(iter(files))] == [0] * len(files)


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (40, 40), (900, 1200)])
def test_without_text_a_page_is_upright(size: tuple[int, int]) -> None:
    for mode in ("L", "RGB", "RGBA", "1"):
        found = orientation(Image.new(mode, size))
        assert (found.turn, found.score) == (0, 0.0)
