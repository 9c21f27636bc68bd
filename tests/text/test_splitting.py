"""Cutting a text to a budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.text.splitting import CountTokens, split_text
from deepseek_ocr_rag.text.token_count import estimate_tokens


def parts(text: str, budget: int) -> list[str]:
    return [text[start:end] for start, end in split_text(text, budget, len)]


def test_what_fits_is_not_cut() -> None:
    assert parts("  One. Two.  ", 9) == ["One. Two."]


def test_it_cuts_between_sentences() -> None:
    assert parts("One is here. Two is there. Three.", 20) == [
        "One is here.",
        "Two is there. Three.",
    ]


def test_an_overlong_sentence_is_cut_between_words() -> None:
    assert parts("one two three four", 9) == ["one two", "three", "four"]


def test_an_overlong_word_is_cut_anywhere() -> None:
    assert parts("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]


def test_rows_of_a_table_are_not_cut_while_they_fit() -> None:
    assert parts("| a | b |\n| 1 | 2 |\n| 3 | 4 |", 20) == ["| a | b |\n| 1 | 2 |", "| 3 | 4 |"]


def test_a_part_of_the_text_can_be_cut_alone() -> None:
    text = "Before. Inside one. Inside two. After."
    assert [text[a:b] for a, b in split_text(text, 12, len, (8, 31))] == [
        "Inside one.",
        "Inside two.",
    ]


def test_nothing_gives_nothing() -> None:
    assert parts(" \n ", 5) == []


TEXTS = st.text("ab .!?\n|<>-1,语。", max_size=400)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(1, 60), st.sampled_from([len, estimate_tokens]))
def test_every_part_fits_and_no_character_is_lost(
    text: str, budget: int, count: CountTokens
) -> None:
    spans = list(split_text(text, budget, count))
    assert all(count(text[a:b]) <= budget or b - a == 1 for a, b in spans)
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert spans == sorted(spans)


@pytest.mark.parametrize("piece", ["x", "漢", "abc ", "Abc. ", "| 1 |\n"])
def test_long_texts_are_cut_fast(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    assert len(list(split_text(text, 400, estimate_tokens))) > 100
