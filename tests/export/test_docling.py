"""Conversion to docling, and what docling's own tools do with the result."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from docling_core.transforms.chunker.hybrid_chunker import HybridChunker
from docling_core.transforms.chunker.tokenizer.base import BaseTokenizer
from docling_core.types.doc import ContentLayer, DocItemLabel, DoclingDocument, TextItem

from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.document.tables import parse_table
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import MissingExtraError
from deepseek_ocr_rag.export.docling import to_docling
from deepseek_ocr_rag.installing import install_command
from deepseek_ocr_rag.text.token_count import estimate_tokens

BOX = Box(0.1, 0.2, 0.9, 0.3)


class Estimate(BaseTokenizer):
    """A tokenizer that needs no download."""

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def get_max_tokens(self) -> int:
        return 300

    def get_tokenizer(self) -> Any:
        return estimate_tokens


@pytest.fixture(scope="module")
def paper(shared: Path) -> DoclingDocument:
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    return to_docling(parse_document(file.read_text("utf-8"), source="papers/deepseek-ocr.pdf"))


def exported(*contents: tuple[str, str]) -> DoclingDocument:
    """An A4 page of blocks that all have the same box."""
    blocks: list[Block] = []
    markdown = ""
    for kind, text in contents:
        markdown += "\n\n" if markdown else ""
        span = (len(markdown), len(markdown) + len(text))
        markdown += text
        blocks.append(Block(kind, text, (BOX,), span))
    page = Page(1, markdown, tuple(blocks), width=595.0, height=842.0)
    return to_docling(OcrDocument("a.pdf", (page,), 1))


def texts_of(document: DoclingDocument) -> list[tuple[str, str]]:
    return [(item.label.value, item.text) for item in document.texts]


def test_a_real_paper_has_its_pages_tables_and_pictures(paper: DoclingDocument) -> None:
    assert paper.name == "deepseek-ocr"
    assert list(paper.pages) == list(range(1, 23))
    assert (len(paper.tables), len(paper.pictures)) == (4, 15)
    assert [table.caption_text(paper)[:9] for table in paper.tables] == [
        f"Table {n} |" for n in range(1, 5)
    ]
    assert paper.pictures[0].caption_text(paper).startswith("Figure 1 |")


def test_doclings_chunker_works_on_it(paper: DoclingDocument) -> None:
    chunks = list(HybridChunker(tokenizer=Estimate()).chunk(paper))
    assert max(estimate_tokens(chunk.text) for chunk in chunks) <= 300
    (chunk,) = [c for c in chunks if "Before entering global attention" in c.text]
    meta = chunk.meta.export_json_dict()
    assert meta["headings"][-2:] == ["3.2. DeepEncoder", "3.2.1. Architecture of DeepEncoder"]
    pages = {place["page_no"] for item in meta["doc_items"] for place in item["prov"]}
    assert {5, 6} <= pages


def test_it_survives_json(paper: DoclingDocument) -> None:
    assert DoclingDocument.model_validate_json(paper.model_dump_json()) == paper


def test_a_paragraph_over_two_pages_is_one_item_with_two_places(paper: DoclingDocument) -> None:
    (item,) = [t for t in paper.texts if "matplotlib to render 10M images" in t.text]
    assert [place.page_no for place in item.prov] == [8, 9]
    first, second = item.prov
    assert item.text[slice(*first.charspan)].endswith("matplotlib")
    assert item.text[slice(*second.charspan)].startswith("to render")


def test_boxes_are_points_from_the_top_left() -> None:
    (item,) = exported(("text", "Body.")).texts
    box = item.prov[0].bbox
    assert (box.l, box.t, box.r, box.b) == pytest.approx((59.5, 168.4, 535.5, 252.6))
    assert box.coord_origin.value == "TOPLEFT"


def test_headings_have_the_levels_of_their_marks() -> None:
    document = exported(
        ("title", "# Lamps"), ("sub_title", "## Oil"), ("title", "#### Whale"), ("sub_title", "Gas")
    )
    assert document.export_to_markdown() == "# Lamps\n\n## Oil\n\n#### Whale\n\n## Gas"


def test_lists_formulas_and_code_are_what_they_are() -> None:
    document = exported(
        ("text", "- one\n- two"),
        ("text", "3. three"),
        ("equation", "\\[ a = b \\]\n\\[ c = d \\]"),
        ("equation", "so \\( a \\) holds"),
        ("code", "```python\nprint(1)\n```"),
        ("footnote", "1 See there."),
    )
    assert texts_of(document) == [
        ("list_item", "one"),
        ("list_item", "two"),
        ("list_item", "three"),
        ("formula", "a = b"),
        ("formula", "c = d"),
        ("text", "so \\( a \\) holds"),
        ("code", "print(1)"),
        ("footnote", "1 See there."),
    ]
    assert len(document.groups) == 1


def test_a_table_keeps_its_spans_and_its_head() -> None:
    html = (
        '<table><tr><td rowspan="2">Mode</td><td colspan="2">Size</td></tr>'
        "<tr><td>w</td><td>h</td></tr><tr><td>tiny</td><td>512</td><td>512</td></tr></table>"
    )
    text = parse_table(html).to_html()
    block = Block("table", text, (BOX,), (0, len(text)), html=html)
    document = to_docling(OcrDocument("a.pdf", (Page(1, text, (block,)),), 1))
    data = document.tables[0].data
    assert (data.num_rows, data.num_cols) == (3, 3)
    assert [[cell.text for cell in row] for row in data.grid] == [
        ["Mode", "Size", "Size"],
        ["Mode", "w", "h"],
        ["tiny", "512", "512"],
    ]
    assert [[cell.column_header for cell in row] for row in data.grid] == [
        [True] * 3,
        [True] * 3,
        [False] * 3,
    ]


@pytest.mark.parametrize(
    "html",
    [
        '<table><tr><td rowspan="65534" colspan="1000">a</td></tr></table>',
        "<table>" + '<tr><td colspan="1000">a</td></tr>' * 500 + "</table>",
        "<table>" + "<tr><td>" * 3000 + "</table>",
        "<table><tr>" + "<td>a</td>" * 2000 + "</tr>" + "<tr><td>b</td></tr>" * 2000 + "</table>",
    ],
)
def test_a_hostile_table_stays_small(html: str) -> None:
    text = parse_table(html).to_html()
    block = Block("table", text, (BOX,), (0, len(text)), html=html)
    document = to_docling(OcrDocument("a.pdf", (Page(1, text, (block,)),), 1))
    cells = sum(table.data.num_rows * table.data.num_cols for table in document.tables)
    assert cells <= 100_000
    assert document.tables or document.texts


def test_furniture_is_in_its_layer() -> None:
    document = exported(("page_header", "ACME"), ("text", "Body."))
    header, body = document.texts
    assert (header.label, header.content_layer) == (
        DocItemLabel.PAGE_HEADER,
        ContentLayer.FURNITURE,
    )
    assert body.content_layer == ContentLayer.BODY
    assert document.export_to_markdown() == "Body."


def test_a_pictures_texts_and_captions_belong_to_it() -> None:
    document = exported(("image", ""), ("text", "Sales 2021"), ("image_caption", "Figure 1: Sales"))
    (picture,) = document.pictures
    children = [ref.resolve(document) for ref in picture.children]
    assert [child.text for child in children if isinstance(child, TextItem)] == [
        "Sales 2021",
        "Figure 1: Sales",
    ]
    assert picture.caption_text(document) == "Figure 1: Sales"


def test_pages_that_failed_or_have_no_size_are_pages() -> None:
    pages = (Page(1, finish_reason="error", error="torn"), Page(2, "Free text."))
    document = to_docling(OcrDocument("a.pdf", pages, 2, sha256="ab" * 32))
    assert [(page.size.width, page.size.height) for page in document.pages.values()] == [
        (1000.0, 1000.0)
    ] * 2
    assert texts_of(document) == [("text", "Free text.")]
    assert document.origin is not None
    assert document.origin.filename == "a.pdf"
    assert document.origin.mimetype == "application/pdf"


def test_half_a_character_does_not_stop_a_document() -> None:
    assert exported(("text", "a\ud800b")).texts[0].text == "a\ufffdb"


def test_without_docling_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "deepseek_ocr_rag.export.docling_items", raising=False)
    monkeypatch.setitem(sys.modules, "docling_core.types.doc", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_command("docling"))):
        to_docling(OcrDocument("a.pdf"))
