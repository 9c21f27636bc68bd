"""The Markdown of a page: its number, its text, its pictures where they belong."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.export.page_markdown import page_markdown

PICTURE = Box(0.1, 0.1, 0.9, 0.5)
BELOW = Box(0.1, 0.52, 0.9, 0.55)
FURTHER_BELOW = Box(0.1, 0.56, 0.9, 0.59)


def captioned(*captions: str) -> str:
    """The alternative text of a picture with these captions below it."""
    blocks = [Block("image", "", (PICTURE,), (0, 0))]
    markdown = ""
    for caption, box in zip(captions, (BELOW, FURTHER_BELOW), strict=False):
        start = len(markdown)
        markdown += f"{caption}\n\n"
        blocks.append(Block("image_caption", caption, (box,), (start, start + len(caption))))
    page = Page(3, markdown, tuple(blocks))
    written = page_markdown(page, [(blocks[0], "a.png")])
    return written.split("![", 1)[1].split("](a.png)", 1)[0]


def test_a_page_is_its_number_and_its_text() -> None:
    assert page_markdown(Page(7, "# A\n\nb")) == "<!-- page 7 -->\n\n# A\n\nb\n\n"


def test_a_page_without_text_is_its_number() -> None:
    assert page_markdown(Page(1, "")) == "<!-- page 1 -->\n\n"


@pytest.mark.parametrize(
    ("error", "comment"),
    [
        ("no reply --> try\nagain", "no reply - -> try again"),
        ("a ---- b\x1b", "a - - - - b\ufffd"),
        (None, "for an unknown reason"),
    ],
)
def test_a_page_that_failed_says_why_in_a_comment(error: str | None, comment: str) -> None:
    page = Page(2, finish_reason="error", error=error)
    assert page_markdown(page) == f"<!-- page 2 -->\n\n<!-- not read: {comment} -->\n\n"


@pytest.mark.parametrize(
    ("left_out", "comment"),
    [(1, "1 more picture on this page"), (2, "2 more pictures on this page")],
)
def test_pictures_that_were_not_written_are_counted(left_out: int, comment: str) -> None:
    written = page_markdown(Page(1, "a"), left_out=left_out)
    assert written == f"<!-- page 1 -->\n\na\n\n<!-- not written: {comment} -->\n\n"


@pytest.mark.parametrize(
    ("markdown", "at", "written"),
    [
        ("above\n\nbelow", 7, "above\n\n{}\n\nbelow"),
        ("above\n\nbelow", 5, "above\n\n{}\n\nbelow"),
        ("above\nbelow", 6, "above\n\n{}\n\nbelow"),
        ("above below", 6, "above \n\n{}\n\nbelow"),
        ("aboveX Xbelow", 6, "aboveX\n\n{}\n\n Xbelow"),
        ("above\n\n\nbelow", 8, "above\n\n\n{}\n\nbelow"),
        ("below", 0, "{}\n\nbelow"),
        ("above", 5, "above\n\n{}"),
        ("\n\nbelow", 2, "\n\n{}\n\nbelow"),
        ("", 0, "{}"),
    ],
)
def test_an_empty_line_stands_around_a_picture(markdown: str, at: int, written: str) -> None:
    image = Block("image", "", (PICTURE,), (at, at))
    text = page_markdown(Page(1, markdown, (image,)), [(image, "a.png")])
    picture = "![Figure on page 1](a.png)"
    assert text == f"<!-- page 1 -->\n\n{written.format(picture)}\n\n"


def test_pictures_stand_in_the_order_of_the_text() -> None:
    """The first block reaches over the second, as a picture with text in it does."""
    first = Block("image", "one\n\ntwo", (PICTURE,), (0, 8))
    second = Block("image", "two", (BELOW,), (5, 8))
    page = Page(1, "one\n\ntwo", (first, second))
    assert page_markdown(page, [(second, "b.png"), (first, "a.png")]) == (
        "<!-- page 1 -->\n\n![Figure on page 1](a.png)\n\none\n\n"
        "![Figure on page 1](b.png)\n\ntwo\n\n"
    )


def test_a_picture_is_called_by_its_captions() -> None:
    assert captioned("Figure 1. Lamps.", "Lit in 1871.") == "Figure 1. Lamps. Lit in 1871."


def test_a_picture_without_a_caption_is_called_by_its_page() -> None:
    assert captioned() == "Figure on page 3"


def test_a_caption_is_one_line_without_markup_or_control_characters() -> None:
    assert captioned("a\n b]\\*`_{x}[(<y>)#!|&$~\x1b") == (
        r"a b\]\\\*\`\_\{x\}\[\(\<y\>\)\#\!\|\&\$\~" + "\ufffd"
    )


@pytest.mark.parametrize(
    ("caption", "shown"),
    [
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 5000, "x" * 299 + "…"),
        ("a" + " " * 1198 + "bcd", "a b"),
    ],
    ids=["300", "301", "5000", "spaces"],
)
def test_a_long_caption_is_cut(caption: str, shown: str) -> None:
    assert captioned(caption) == shown
