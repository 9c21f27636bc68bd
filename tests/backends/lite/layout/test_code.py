"""Makes blocks of code: indents as on the page, and never more space than a page can hold."""

from __future__ import annotations

import tracemalloc

import pytest

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.backends.lite.layout.code import code_block
from deepseek_ocr_rag.backends.lite.layout.lines import Line
from deepseek_ocr_rag.backends.lite.layout.pieces import LayoutPiece
from deepseek_ocr_rag.document.text_layer import TextLayer, Word
from deepseek_ocr_rag.document.types import Box

WIDTH, HEIGHT = 600.0, 800.0

Placed = tuple[str, float, float, float, float]
"""A word, its left and upper edge, its width and height, in points."""


def word(text: str, x: float, y: float, width: float, height: float) -> Word:
    box = Box.clamped(x / WIDTH, y / HEIGHT, (x + width) / WIDTH, (y + height) / HEIGHT)
    return Word(text, box, 10, monospaced=True)


def prose(y: float) -> Word:
    """A word of another font, so that the page is not typed throughout."""
    return Word("Listing", Box(0.1, y / HEIGHT, 0.2, (y + 10) / HEIGHT), 10)


def code(*placed: Placed) -> str:
    words = (prose(40), *(word(*each) for each in placed))
    blocks = lay_out(TextLayer(words, width=WIDTH, height=HEIGHT))
    return "\n".join(block.text for block in blocks if block.kind == "code")


def test_indents_are_those_of_the_page() -> None:
    found = code(
        ("def", 60, 100, 18, 10),
        ("f():", 84, 100, 24, 10),
        ("pass", 84, 112, 24, 10),
    )
    assert found == "```\ndef f():\n    pass\n```"


def test_the_widest_code_that_a_page_can_have_keeps_its_columns() -> None:
    found = code(("a;", 0, 100, 2.4, 4), ("b;", 480, 100, 2.4, 4), ("c;", 0, 104, 2.4, 4))
    assert found.splitlines()[1].index("b") == 400


@pytest.mark.parametrize("width", [0.005, 1e-9, 1e-300])
def test_letters_without_width_do_not_fill_memory(width: float) -> None:
    tracemalloc.start()
    found = code(
        ("if(x){", 10, 100, width, 10),
        ("y();", 500, 112, width, 10),
        ("}", 10, 124, width, 10),
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line.strip() for line in found.splitlines()[1:-1]] == ["if(x){", "y();", "}"]
    assert len(found) < 600
    assert peak < 2**20


@pytest.mark.parametrize("pitch", [0.005, 1e-6, 1e-9])
def test_lines_that_lie_on_one_another_do_not_fill_memory(pitch: float) -> None:
    """Two lines are nearly one, so that the third seems millions of lines below."""

    def line(text: str, y: float) -> Line:
        placed = word(text, 10, y, 24, 10)
        return Line.of([LayoutPiece(10, y, 34, y + 10, placed.box, placed)])

    block = code_block([line("a();", 100), line("b();", 100 + pitch), line("c();", 112)])
    lines = block.text.splitlines()[1:-1]
    assert [each for each in lines if each] == ["a();", "b();", "c();"]
    assert len(lines) < 600
