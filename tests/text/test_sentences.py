"""Text is cut into sentences, list items and table rows."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.text.sentences import ends_sentence, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Ann B. Lee et al. went home. She slept.", ["Dr. Ann B. Lee et al. went home.", "She slept."]),
        ("It costs 3.50 euros, e.g. today.", ["It costs 3.50 euros, e.g. today."]),
        ("The tank holds 1.5 L. Fill it.", ["The tank holds 1.5 L.", "Fill it."]),
        ("Bake at 250 °C. Let it cool.", ["Bake at 250 °C.", "Let it cool."]),
        ("He said “no.” They left.", ["He said “no.”", "They left."]),
        ("1. Wear the watch.\n2. Wait.", ["1. Wear the watch.", "2. Wait."]),
        ("See Fig. 3. It shows No. 7.", ["See Fig. 3.", "It shows No. 7."]),
        ("a line that goes\non below\nAnother", ["a line that goes\non below", "Another"]),
        ("| a | b. C |\n| 1 | 2 |", ["| a | b. C |", "| 1 | 2 |"]),
        ("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>",
         ["<table><tr><td>a</td></tr>", "<tr><td>b</td></tr>", "</table>"]),
        ("今天下雨。我在家。", ["今天下雨。", "我在家。"]),
        ("", []),
        (" \n ", []),
    ],
)  # fmt: skip
def test_text_is_cut_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text", ["Wait…", "“No.”", "**Stop!**", "As follows:", "終わり｡", "「今天下雨。」", "如下："]
)
def test_a_text_that_ends_with_a_closing_mark_ends_a_sentence(text: str) -> None:
    assert ends_sentence(text)
    assert not ends_sentence(text + " and")


@settings(max_examples=200, deadline=None)
@given(st.text("ab A.!?\n|<tr>/。1,-“”", max_size=200))
def test_every_visible_character_is_in_exactly_one_sentence(text: str) -> None:
    spans = sentence_spans(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert "".join("".join(s.split()) for s in sentences(text)) == "".join(text.split())
    assert all(s == s.strip() and s for s in sentences(text))


def test_a_long_line_of_numbers_takes_linear_time() -> None:
    # Each full stop once looked back to the start of its line: minutes.
    start = time.thread_time()
    assert len(sentence_spans("1. " * 100_000)) > 0
    assert time.thread_time() - start < 10
