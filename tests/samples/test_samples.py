"""The sample PDF: three pages, as documented, and as the script makes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium_c
import pytest
from PIL import Image, ImageChops, ImageStat

from deepseek_ocr_rag.samples import sample_path

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def pdf() -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(sample_path())
    yield document
    document.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sample") / "sample.pdf"
    make(target)
    return target


def make(target: Path) -> None:
    command = [sys.executable, str(TOOLS / "make_sample.py"), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def text_of(document: pypdfium2.PdfDocument, number: int) -> str:
    return document[number - 1].get_textpage().get_text_range()


def render(document: pypdfium2.PdfDocument, number: int) -> Image.Image:
    page = document[number - 1]
    return page.render(scale=640 / page.get_height()).to_pil().convert("L")


def test_the_sample_lies_beside_the_module_and_is_small() -> None:
    path = sample_path()
    assert path.is_absolute()
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_size < 400_000


def test_its_three_pages_are_labelled_in_roman_numerals(pdf: pypdfium2.PdfDocument) -> None:
    assert [pdf.get_page_label(index) for index in range(len(pdf))] == ["i", "ii", "iii"]


def test_page_1_is_born_digital_in_two_full_columns(pdf: pypdfium2.PdfDocument) -> None:
    text = pdf[0].get_textpage()
    width, height = pdf[0].get_size()
    assert "founded on 4 May 1987" in text.get_text_range()
    halves = (text.get_text_bounded(0, 0, width / 2 - 5, height * 0.7),)
    halves += (text.get_text_bounded(width / 2 + 5, 0, width, height * 0.7),)
    assert [len(half.split()) > 250 for half in halves] == [True, True]
    # Both columns reach the foot of the page.
    for left, right in ((0, width / 2 - 12), (width / 2 + 12, width)):
        assert text.get_text_bounded(left, 50, right, 100).strip()


def test_page_2_is_a_scan_without_any_text(pdf: pypdfium2.PdfDocument) -> None:
    assert text_of(pdf, 2).strip() == ""
    kinds = {item.type for item in pdf[1].get_objects()}
    assert kinds == {pdfium_c.FPDF_PAGEOBJ_IMAGE}


def test_page_2_is_skewed(pdf: pypdfium2.PdfDocument) -> None:
    """The rows of ink are sharpest after turning the page back by 1.2 degrees."""
    page = render(pdf, 2).resize((905, 1280)).crop((90, 150, 800, 1150))

    def contrast(angle: float) -> float:
        turned = page.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=235)
        rows = turned.crop((40, 40, 670, 960)).resize((1, 920), Image.Resampling.BOX)
        return ImageStat.Stat(rows).stddev[0]

    best = max((step / 10 for step in range(-25, 26)), key=contrast)
    assert -1.4 <= best <= -1.0


def test_page_3_has_a_table_and_a_picture_with_captions(pdf: pypdfium2.PdfDocument) -> None:
    text = text_of(pdf, 3)
    assert "Table 1. The lights of the cooperative" in text
    assert "Figure 1. Electricity used by the six lights" in text
    assert "Gull Stack" in text
    kinds = [item.type for item in pdf[2].get_objects()]
    assert kinds.count(pdfium_c.FPDF_PAGEOBJ_IMAGE) == 1
    assert kinds.count(pdfium_c.FPDF_PAGEOBJ_PATH) >= 16, (
        "ruling lines of nine rows and six columns"
    )


def test_the_three_pages_agree_with_each_other(pdf: pypdfium2.PdfDocument) -> None:
    article, table = text_of(pdf, 1), text_of(pdf, 3)
    rows = ("9,412", "1,087", "6,530", "4,268", "2,945", "814")
    assert all(count in table for count in rows)
    total = f"{sum(int(count.replace(',', '')) for count in rows):,}"
    assert total in table
    assert total in article


def test_the_shipped_file_is_what_the_script_makes(pdf: pypdfium2.PdfDocument, made: Path) -> None:
    fresh = pypdfium2.PdfDocument(made)
    try:
        for number in (1, 2, 3):
            assert text_of(fresh, number) == text_of(pdf, number)
            # Other versions of pdfium and libjpeg may differ by a shade.
            difference = ImageChops.difference(render(fresh, number), render(pdf, number))
            assert ImageStat.Stat(difference).mean[0] < 3
    finally:
        fresh.close()


def test_the_script_gives_the_same_bytes_each_time(made: Path, tmp_path: Path) -> None:
    make(tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == made.read_bytes()


@pytest.mark.long
@pytest.mark.slow
def test_the_scan_is_readable_for_the_small_ocr(pdf: pypdfium2.PdfDocument) -> None:
    rapidocr = pytest.importorskip("rapidocr")
    page = pdf[1]
    image = page.render(scale=1920 / page.get_height()).to_pil().convert("RGB")
    lines = rapidocr.RapidOCR()(image).txts
    read = " ".join(lines)
    for fact in ("HB-2025-017", "18,450 crowns", "30 June 2025", "Joss Pellew", "47 minutes"):
        assert fact in read
