"""Evidence pictures: drawn, shown in a notebook, and written to a file."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image, ImageChops

from deepseek_ocr_rag import Answer, Box, Citation, render_page
from deepseek_ocr_rag.errors import OutputError, SourceNotAllowedError, SourceNotFoundError
from deepseek_ocr_rag.export import AnswerPictures, CitedPage
from deepseek_ocr_rag.export.drawing import crop_boxes
from deepseek_ocr_rag.export.evidence_pictures import LONG_SIDE, MARGIN

GRANT = Box(0.14, 0.51, 0.81, 0.55)
SIGNATURE = Box(0.15, 0.83, 0.32, 0.87)
TABLE = Box(0.1, 0.2, 0.9, 0.39)


def cited(source: Path | str, page: int, *boxes: Box) -> Citation:
    return Citation(str(source), page, boxes, "words", (0, 5), 0)


def answer(*citations: Citation) -> Answer:
    return Answer("Why?", "Because. [1]", citations)


def test_each_cited_page_is_one_crop_with_the_numbers_of_its_citations(sample_pdf: Path) -> None:
    shown = answer(
        cited(sample_pdf, 2, GRANT), cited(sample_pdf, 3, TABLE), cited(sample_pdf, 2, SIGNATURE)
    ).show()
    assert [(p.page, p.numbers) for p in shown] == [(2, (1, 3)), (3, (2,))]
    assert shown.pages[0].caption == "[1] [3] sample.pdf, page 2"
    assert shown.pages[0].source == str(sample_pdf)


def test_the_crop_holds_the_page_around_the_boxes_and_marks_only_them(sample_pdf: Path) -> None:
    (shown,) = answer(cited(sample_pdf, 2, GRANT)).show()
    page = render_page(sample_pdf, 2, long_side=LONG_SIDE)
    plain = crop_boxes(page, [GRANT], margin=MARGIN)
    assert shown.image.size == plain.size
    left, top, right, bottom = ImageChops.difference(plain, shown.image).getbbox() or (0,) * 4
    margin = round(MARGIN * max(page.size))
    x0, y0, x1, y1 = GRANT.to_pixels(*page.size)
    assert (left, top) == pytest.approx((margin, margin), abs=3)
    assert (right - left, bottom - top) == pytest.approx((x1 - x0, y1 - y0), abs=6)


def test_a_citation_without_boxes_shows_its_page(sample_pdf: Path) -> None:
    (shown,) = answer(cited(sample_pdf, 3)).show()
    assert max(shown.image.size) == LONG_SIDE


def test_a_notebook_gets_a_captioned_picture_a_page_and_nothing_active(sample_pdf: Path) -> None:
    name = 'a"><script>alert(1)<script>.pdf'
    shown = answer(cited(name, 2, GRANT), cited(name, 3, TABLE)).show({name: sample_pdf})
    markup = shown._repr_html_()
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup
    embedded = re.findall(r'src="data:image/png;base64,([A-Za-z0-9+/=]+)"', markup)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in embedded]
    assert sizes == [page.image.size for page in shown]


def test_no_name_sets_an_attribute_of_the_picture() -> None:
    class Attributes(HTMLParser):
        found: ClassVar[list[tuple[str, str | None]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.extend(attrs if tag == "img" else [])

    name = 'a" onerror="alert(1)" x=\'y\'\x1b.pdf'
    shown = AnswerPictures((CitedPage(Image.new("RGB", (9, 9)), name, 1, (1,)),))
    Attributes().feed(shown._repr_html_())
    assert [attribute for attribute, _ in Attributes.found] == ["alt", "style", "src"]
    assert dict(Attributes.found)["alt"] == '[1] a" onerror="alert(1)" x=\'y\'?.pdf, page 1'


def test_without_html_all_pages_are_in_one_picture(sample_pdf: Path) -> None:
    shown = answer(cited(sample_pdf, 2, GRANT), cited(sample_pdf, 3, TABLE)).show()
    data = shown._repr_png_()
    assert data is not None
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.height > sum(page.image.height for page in shown)
        assert picture.width >= max(page.image.width for page in shown)


def test_without_citations_there_is_no_picture(tmp_path: Path) -> None:
    shown = answer().show()
    assert (len(shown), shown.image, shown._repr_png_()) == (0, None, None)
    assert "Nothing is cited" in shown._repr_html_()
    assert shown.save(tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()


def test_it_is_written_as_png_whatever_the_name(sample_pdf: Path, tmp_path: Path) -> None:
    shown = answer(cited(sample_pdf, 2, GRANT)).show()
    path = shown.save(tmp_path / "evidence.jpg")
    assert path == tmp_path / "evidence.jpg"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    with pytest.raises(OutputError) as caught:
        shown.save(tmp_path / "no such folder" / "evidence.png")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("gone.pdf", SourceNotFoundError),
        ("https://example.com/a.pdf", SourceNotAllowedError),
    ],
)
def test_a_missing_document_is_asked_for(
    source: str, kind: type[Exception], sample_pdf: Path
) -> None:
    missing = answer(cited(source, 2, GRANT))
    with pytest.raises(kind, match=r"answer\.show\(files="):
        missing.show()
    assert len(missing.show({source: sample_pdf.read_bytes()})) == 1


def test_hundreds_of_pages_still_make_a_picture_that_can_be_opened() -> None:
    page = CitedPage(Image.new("RGB", (200, 400), "white"), "\ud800name\x00" * 50, 1, (1,))
    picture = AnswerPictures((page,) * 100).image
    assert picture is not None
    assert picture.height <= 30_000
