"""Joins words to lines of text, and lines to paragraphs."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.backends.lite.layout.joining import (
    is_rtl,
    join_lines,
    line_text,
    reading_sequence,
)
from deepseek_ocr_rag.backends.lite.layout.pieces import LayoutPiece
from deepseek_ocr_rag.document.text_layer import Word
from deepseek_ocr_rag.document.types import Box

ANYWHERE = Box(0, 0, 1, 1)


def line(*texts: str, gap: float = 4) -> list[LayoutPiece]:
    """Make words side by side from left to right, ten points high."""
    pieces, x = [], 0.0
    for text in texts:
        x1 = x + 5 * len(text)
        pieces.append(LayoutPiece(x, 0, x1, 10, ANYWHERE, Word(text, ANYWHERE)))
        x = x1 + gap
    return pieces


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["an exam-", "ple"], "an example"),
        (["an exam\u00ad", "ple"], "an example"),
        (["an exam\ufffe", "ple"], "an example"),
        (["a well-", "known man"], "a well-known man"),
        (["state-of-the-", "art"], "state-of-the-art"),
        (["Jean-", "Paul"], "Jean-Paul"),
        (["from 1990-", "2000"], "from 1990-2000"),
        (["a dash -", "and more"], "a dash - and more"),
        (["first", "second"], "first second"),
        (["语法是有", "条理的"], "语法是有条理的"),
        (["语法", "grammar"], "语法 grammar"),
    ],
)
def test_lines_of_a_paragraph_are_joined(lines: list[str], whole: str) -> None:
    assert join_lines(lines) == whole


def test_a_compound_that_the_page_spells_with_its_hyphen_keeps_it() -> None:
    assert join_lines(["the wheel-", "house"], frozenset({"wheel-house"})) == "the wheel-house"


def test_a_word_that_the_page_spells_whole_loses_the_hyphen() -> None:
    assert join_lines(["a post-", "man"], frozenset({"postman"})) == "a postman"


def test_arabic_is_read_from_the_right_and_its_numbers_from_the_left() -> None:
    # As it is on the page: [page 12 of] from the right.
    pieces = line("كتاب", "2007", "12", "صفحة")
    assert [p.text for p in reading_sequence(pieces)] == ["صفحة", "2007", "12", "كتاب"]


def test_hebrew_words_in_an_english_line_are_read_from_the_right() -> None:
    pieces = line("the", "words", "עולם", "שלום", "mean", "hello", "world")
    found = [p.text for p in reading_sequence(pieces)]
    assert found == ["the", "words", "שלום", "עולם", "mean", "hello", "world"]


def test_chinese_words_side_by_side_are_joined_without_a_space() -> None:
    assert line_text(line("日本語", "テスト", gap=1)) == "日本語テスト"


def test_chinese_words_far_apart_keep_a_space() -> None:
    assert line_text(line("姓名", "年齢", gap=20)) == "姓名 年齢"


@pytest.mark.parametrize(("text", "answer"), [("شكرا", True), ("abc", False), ("12:30", False)])
def test_the_direction_of_a_text_is_that_of_most_characters(text: str, answer: bool) -> None:
    assert is_rtl(text) is answer
