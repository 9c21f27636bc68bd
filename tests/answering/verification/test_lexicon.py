"""Words that say that something rose or fell."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.lexicon import direction


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("increase", "up"),
        ("increased", "up"),
        ("growing", "up"),
        ("rose", "up"),
        ("declined", "down"),
        ("decrease", "down"),
        ("reduction", "down"),
        ("lamp", None),
        ("lower", None),  # "Lower the lid."
    ],
)
def test_words_for_a_rise_or_a_fall(term: str, expected: str | None) -> None:
    assert direction(term) == expected
