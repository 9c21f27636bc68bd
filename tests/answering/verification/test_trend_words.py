"""Words and signs that say that something rose or fell."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.trend_words import direction, directions_of_figures


@pytest.mark.parametrize(
    ("term", "way"),
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
def test_words_for_a_rise_or_a_fall(term: str, way: str | None) -> None:
    assert direction(term) == way


@pytest.mark.parametrize(
    ("row", "ways"),
    [
        ("International 46,363 46,619 (0.6)%", {"down"}),
        ("| U.S. | $48,580 | $47,156 | 3.0% |", {"up"}),
        ("Oil 12 14 -14.3 %", {"down"}),
        ("Rope 5.1% (2.0)%", {"up", "down"}),
        ("The lamp burns 5% of the oil that the store holds in a year.", set()),
        ("Oil 12 14", set()),
    ],
)
def test_the_percentages_of_a_row_of_figures_say_it_by_their_signs(
    row: str, ways: set[str]
) -> None:
    assert directions_of_figures(row) == ways
