"""Markdown without tags is cut into parts with their offsets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.document.markdown import cut_tables, markdown_parts

TABLE = "<table><tr><td>1</td></tr></table>"
PIECES = ("# Title", "## Part", "text", "", "  ", "```", "~~~", "\\[", "\\]", "\\[ a \\]")
TABLES = ("| a | b |", "| --- | --- |", TABLE, "<table>", "</table>", "<br>")
LINES = st.lists(st.sampled_from(PIECES + TABLES)).map("\n".join)


@given(LINES)
def test_every_part_stands_where_it_says(text: str) -> None:
    end_before = 0
    for _, part, html, start, end in markdown_parts(text):
        assert end_before <= start <= end <= len(text)
        end_before = end
        assert text[start:end].strip() == html if html is not None else text[start:end] == part


@given(LINES)
def test_tables_and_the_text_between_them_are_the_whole_text(text: str) -> None:
    pieces = list(cut_tables(text))
    left = "".join(text[start:end] for *_, start, end in pieces)
    assert letters(left) == letters(text)
    assert all(text[start:end] == piece for piece, html, start, end in pieces if html is None)


def letters(text: str) -> str:
    """The text without white space and the breaks that may stand between tables."""
    return "".join(text.replace("<br>", "").split())


def test_parts_have_the_kinds_of_markdown() -> None:
    text = "# Report\nFirst line.\n\n```\ncode\n```\n\\[ a \\]\n\n| a |\n| --- |"
    kinds = [kind for kind, *_ in markdown_parts(text)]
    assert kinds == ["title", "text", "code", "equation", "table"]


def test_a_fence_that_nothing_closes_ends_with_its_last_line() -> None:
    assert list(markdown_parts("```\ncode\n\n")) == [("code", "```\ncode", None, 0, 8)]
