"""Pages whose layout marks a server dropped: what is left of each tag is read, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deepseek_ocr_rag.backends.turned_boxes import boxes_turned_back
from deepseek_ocr_rag.document.grammar.bracket_tags import bracket_tags
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.grammar.runtime_noise import find_noise, split_pages

MARKS = ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<tr>", "</tr>", "<td>", "</td>")
"""The control tokens that llama.cpp's server never sends."""

TAG = re.compile(
    r"<\|ref\|>([^<\n]{0,300}?)<\|/ref\|>\s*<\|det\|>\s*(\[\[[^<\n]*?\]\])\s*<\|/det\|>"
)

FROM_OLLAMA_33 = (
    "title[[108, 62, 489, 95]]\n# Annual report\n\n"
    "text[[108, 120, 880, 300], [108, 320, 880, 400]]\nThe lamp was lit.\n\n"
    "table[[70, 420, 930, 710]]\n<table>ItemCostLamps31,750Wiring work16,450</table>\n\n"
    "margin_note[[20, 500, 60, 620]]\nSeen.\n"
)


def without_marks(text: str) -> str:
    for mark in MARKS:
        text = text.replace(mark, "")
    return text


def test_kinds_boxes_and_text_come_out_of_the_brackets() -> None:
    page = parse_page(FROM_OLLAMA_33)
    assert [(block.kind, len(block.boxes)) for block in page.blocks] == [
        ("title", 1),
        ("text", 2),
        ("table", 1),
        ("margin_note", 1),
    ]
    assert page.blocks[0].boxes[0].to_grid() == (108, 62, 489, 95)
    assert page.markdown == "# Annual report\n\nThe lamp was lit.\n\nSeen."


def test_a_table_without_cells_is_never_a_row_of_glued_words() -> None:
    page = parse_page(FROM_OLLAMA_33)
    assert "31,750" not in page.markdown
    (warning,) = page.warnings
    assert "1 table(s) came without the marks of their cells" in warning
    assert "--special" in warning
    assert "dsocr ollama-model" in warning
    assert page.blocks[2].table is None
    assert page.blocks[2].html == "<table>ItemCostLamps31,750Wiring work16,450</table>"


def test_a_table_with_cells_stays_one_where_only_the_tags_marks_are_gone() -> None:
    page = parse_page("table[[70, 420, 930, 710]]\n<table><tr><td>a</td><td>1</td></tr></table>")
    assert page.warnings == ()
    assert "| a | 1 |" in page.markdown


@pytest.mark.parametrize(
    "text",
    [
        "For details see[[1, 2, 3, 4]] and the appendix.",
        "For details see\n\nsee[[1, 2, 3, 4]]\n\nand the appendix.",
        "The matrix\n\nA = [[100, 200, 300, 400]]\n\nis singular.",
        "x = [[1, 2], [3, 4]]\n",
        "See the list.\n\nreferences[[12, 15, 18, 18]]\n\nSmith 2001.",
        "```python\nboxes = [[10, 20, 300, 400]]\n\ntext[[10, 20, 300, 400]]\n```\n",
        "[[1, 2, 3, 4]]",
        "text[[108, 120, 880, 300]] and more on the same line",
        "a line of the page\ntext[[108, 120, 880, 300]]\nin the middle of a paragraph",
        "参见[[1, 2, 3, 4]]\n第一行。",
        "矩阵 = [[100, 200, 300, 400]]\n第一行。",
        "第一行，见[[100, 200, 300, 400]]\n第二行。",
        "第一行。\n标题[[100, 200, 300, 400]]\n第二行。",
        "Überschrift[[100, 200, 300, 400]]\nA first line.",
        "<|ref|>text<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>\nx\n\nnote[[100, 200, 300, 400]]\ny",
    ],
)
def test_a_pages_own_brackets_stay_its_text(text: str) -> None:
    assert bracket_tags(text) == []
    if "<|ref|>" not in text:
        assert all(block.boxes == () for block in parse_page(text).blocks)


def test_own_brackets_in_a_page_without_marks_stay_text_too() -> None:
    page = parse_page(
        "title[[108, 62, 489, 95]]\n# Report\n\n"
        "text[[108, 120, 880, 300]]\nA first line,\nsee[[100, 200, 300, 400]]\nand a last one.\n\n"
        "see[[1, 2, 3, 4]]\n"
    )
    assert [block.kind for block in page.blocks] == ["title", "text"]
    assert "see[[100, 200, 300, 400]]" in page.markdown
    assert "see[[1, 2, 3, 4]]" in page.markdown


@pytest.mark.parametrize(
    "label",
    [
        "margin_note",
        "标题",
        "标题_1",
        "見出し",
        "제목",
        "título",
        "заголовок",
        "हिन्दी",
        "หัวข้อ",
        "h2",
    ],
)
def test_a_page_may_hold_only_a_block_of_an_unknown_kind(label: str) -> None:
    (block,) = parse_page(f"{label}[[20, 500, 60, 620]]\nSeen.\n").blocks
    assert (block.kind, block.text, block.boxes[0].to_grid()) == (
        label,
        "Seen.",
        (20, 500, 60, 620),
    )


def test_a_page_may_begin_with_text_before_its_first_tag() -> None:
    page = parse_page("order to compute the score.\n\nsub_title[[108, 62, 489, 95]]\n## Next")
    assert [block.kind for block in page.blocks if block.boxes] == ["sub_title"]
    assert page.markdown.startswith("order to compute the score.")


def test_lines_in_the_place_of_labels_are_text_with_boxes() -> None:
    """What "OCR this image" writes."""
    page = parse_page(
        "TECHNOLOGY[[33, 199, 127, 230]]\nand [AI models] don't[[220, 882, 390, 915]]\n"
    )
    assert [(b.kind, b.text, b.boxes[0].to_grid()) for b in page.blocks] == [
        ("text", "TECHNOLOGY", (33, 199, 127, 230)),
        ("text", "and [AI models] don't", (220, 882, 390, 915)),
    ]


def test_a_tag_that_was_cut_off_leaves_no_coordinates_in_the_text() -> None:
    page = parse_page("title[[108, 62, 489, 95]]\n# Report\n\ntext[[108, 1")
    assert page.markdown == "# Report"


def test_boxes_of_a_turned_page_are_turned_back() -> None:
    (edit,) = boxes_turned_back("text[[0, 0, 100, 999]]\nx", 90)
    assert (edit.start, edit.replacement) == (4, "[[0, 899, 999, 999]]")


def test_hostile_lines_take_linear_time() -> None:
    for text in (
        "[[" * 40_000,
        " " * 80_000 + "[[1]]",
        "a[[1, 2, 3, 4]] x\n" * 5_000,
        "[[1]" * 20_000,
    ):
        assert bracket_tags(text) == []


def test_real_outputs_without_their_marks_keep_their_tags(shared: Path) -> None:
    """A plain pattern finds 9,303 of 9,367 marked blocks; ours at least 99.7 %."""
    marked = found = invented = 0
    for path in sorted((shared / "model-outputs").rglob("*")):
        if path.suffix not in (".md", ".txt", ".mmd") or "sources" in path.parts:
            continue
        for page in split_pages(path.read_text(encoding="utf-8", errors="replace")):
            page = page.replace("\r\n", "\n")
            left = [(m[1].strip(), m[2]) for m in TAG.finditer(page)]
            if not left:
                continue
            marked += len(left)
            plain = without_marks(page)
            for start, label_end, end in bracket_tags(plain, find_noise(plain)):
                tag = (plain[start:label_end].strip(), plain[label_end:end].strip())
                if tag in left:
                    left.remove(tag)
                    found += 1
                else:
                    # A broken tag, which the pattern above does not count.
                    invented += tag[1] not in page
    assert marked > 9_000
    assert found >= 0.997 * marked
    assert invented == 0
