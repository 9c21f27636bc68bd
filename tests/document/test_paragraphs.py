"""Paragraphs over columns and pages, around floats and furniture."""

from __future__ import annotations

from pathlib import Path

from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.document.paragraphs import Float, Paragraph, paragraphs_and_floats
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page

LEFT, RIGHT = (0.1, 0.48), (0.52, 0.9)
FULL = (0.1, 0.9)
Content = tuple[str, str, tuple[float, float], float, float]
"""Kind, text, left and right edge, upper and lower edge."""


def page_of(number: int, *contents: Content) -> Page:
    blocks: list[Block] = []
    markdown = ""
    for kind, text, (x0, x1), y0, y1 in contents:
        markdown += "\n\n" if markdown and text else ""
        span = (len(markdown), len(markdown) + len(text))
        markdown += text
        blocks.append(Block(kind, text, (Box(x0, y0, x1, y1),), span))
    return Page(number, markdown, tuple(blocks))


def flow_of(*pages: Page) -> list[str]:
    """Paragraphs as their text, floats as the kinds of their members."""
    shown = []
    for item in paragraphs_and_floats(OcrDocument("a.pdf", pages, len(pages))):
        if isinstance(item, Float):
            shown.append("+".join(block.kind for block in item.members))
        else:
            shown.append(text_of(item))
    return shown


def text_of(paragraph: Paragraph) -> str:
    first, *others = paragraph.slices
    return first.text + "".join(piece.before + piece.text for piece in others)


def text(
    words: str, columns: tuple[float, float] = FULL, y0: float = 0.1, y1: float = 0.9
) -> Content:
    return ("text", words, columns, y0, y1)


def test_a_paragraph_over_two_pages_is_one() -> None:
    pages = [page_of(1, text("The keeper went down to the")), page_of(2, text("sea in the night."))]
    assert flow_of(*pages) == ["The keeper went down to the sea in the night."]


def test_a_paragraph_over_three_pages_is_one() -> None:
    words = ("The keeper went down to the", "sea in the night and saw the", "ships.")
    pages = [page_of(n, text(part)) for n, part in enumerate(words, start=1)]
    assert flow_of(*pages) == [" ".join(words)]


def test_a_divided_word_is_whole_again() -> None:
    pages = [
        page_of(1, text("The keeper went down to the light-")),
        page_of(2, text("house in the night.")),
    ]
    assert flow_of(*pages) == ["The keeper went down to the lighthouse in the night."]


def test_a_compound_keeps_its_hyphen_where_the_page_writes_it_so() -> None:
    pages = [
        page_of(1, text("A rail-road is no railroad. He went along the rail-")),
        page_of(2, text("road at night.")),
    ]
    assert flow_of(*pages)[0].endswith("along the rail-road at night.")


def test_chinese_is_joined_without_a_space() -> None:
    pages = [
        page_of(1, text("系统使用三种编码器，第一种是")),
        page_of(2, text("双塔结构，它的优点是")),
    ]
    assert flow_of(*pages) == ["系统使用三种编码器，第一种是双塔结构，它的优点是"]


def test_a_paragraph_over_two_columns_is_one() -> None:
    page = page_of(
        1,
        text("The keeper went down to the", LEFT, 0.6),
        text("sea in the night.", RIGHT, 0.1, 0.3),
    )
    assert flow_of(page) == ["The keeper went down to the sea in the night."]


def test_lines_below_or_beside_each_other_are_not_one_paragraph() -> None:
    below = page_of(1, text("a label of four words", y1=0.2), text("another label", y0=0.3))
    assert len(flow_of(below)) == 2
    beside = page_of(
        1, text("a label of four words", LEFT, 0.1, 0.12), text("another label", RIGHT, 0.1, 0.12)
    )
    assert len(flow_of(beside)) == 2


def test_figures_and_furniture_in_between_do_not_part_a_paragraph() -> None:
    pages = [
        page_of(
            n,
            ("text", "The Lighthouse Report", FULL, 0.02, 0.04),
            ("image", "", FULL, 0.1, 0.3),
            ("image_caption", f"Figure {n}", FULL, 0.31, 0.33),
            text(words, y0=0.4),
        )
        for n, words in enumerate(("He went to the", "sea and saw the", "ships."), start=1)
    ]
    assert flow_of(*pages) == [
        "The Lighthouse Report",
        "image+image_caption",
        "He went to the sea and saw the ships.",
        "The Lighthouse Report",
        "image+image_caption",
        "The Lighthouse Report",
        "image+image_caption",
    ]


def test_a_missing_page_or_a_heading_parts_a_paragraph() -> None:
    first, third = (
        page_of(1, text("The keeper went down to the")),
        page_of(3, text("sea at night.")),
    )
    assert len(flow_of(first, third)) == 2
    headed = page_of(2, ("title", "# Two", FULL, 0.05, 0.1), text("sea at night."))
    assert len(flow_of(first, headed)) == 3


def test_sections_forget_a_running_foot_that_looked_like_a_heading() -> None:
    pages = [
        page_of(
            n,
            ("title" if n == 1 else "text", "# Lamps" if n == 1 else "More.", FULL, 0.2, 0.3),
            text("Body.", y0=0.4, y1=0.5),
            ("sub_title", f"## Page {n} of 3", FULL, 0.95, 0.97),
        )
        for n in (1, 2, 3)
    ]
    items = paragraphs_and_floats(OcrDocument("a.pdf", tuple(pages), 3))
    blocks = [item.slices[0].block for item in items if isinstance(item, Paragraph)]
    assert [b.section for b in blocks if b.text == "Body."] == [("Lamps",)] * 3


def test_a_page_without_blocks_is_one_paragraph() -> None:
    assert flow_of(Page(1, "Free text."), Page(2), Page(3, "  ")) == ["Free text."]


def test_the_running_paragraphs_of_a_real_paper_are_found(shared: Path) -> None:
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    document = parse_document(file.read_text("utf-8"))
    joined = [
        item
        for item in paragraphs_and_floats(document)
        if isinstance(item, Paragraph) and len(item.slices) > 1
    ]
    assert [[piece.page.number for piece in item.slices] for item in joined] == [
        [5, 6],
        [7, 8],
        [8, 9],
        [10, 11],
        [11, 12],
    ]
    assert "we use pyecharts and matplotlib to render 10M images" in text_of(joined[2])
