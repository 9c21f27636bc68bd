"""Figures of a table row or a sentence, as numbers that can be added up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deepseek_ocr_rag.answering.verification.table_figures import (
    column_totals,
    directions_of_figures,
    figures_of,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("| Oil | $ 1,234 | (56.5) |", ["1234", "-56.5"]),
        ("Oil(2) -3 and 4-5", ["-3", "4", "5"]),
        ("$8.4 billion after 4.7 million", ["8400000000", "4700000"]),
        ("On 14 March 1902 and in 1903 it had 12 lamps", ["12"]),
        ("The lamp (40 metres high)", ["40"]),
        ("Code 123456789012345678901234567890", []),
    ],
)
def test_signs_and_scales_count_and_dates_and_footnotes_do_not(
    text: str, values: list[str]
) -> None:
    assert [figure.value for figure in figures_of(text, 0)] == [Decimal(value) for value in values]


def test_percentages_are_marked() -> None:
    assert [
        figure.is_percent for figure in figures_of("12 lamps, 3.0%, (0.6)% and 5 percent", 0)
    ] == [
        False,
        True,
        True,
        True,
    ]


def test_a_total_is_known_by_its_amount() -> None:
    texts = ("Tower 10 20", "Store 5 (4)", "Yard 1 2", "16 18", "17 19")
    rows = [figures_of(text, place) for place, text in enumerate(texts)]
    found = [(part.value, whole.value) for part, whole in column_totals(rows, rows[0])]
    assert found == [(10, 16), (20, 18)]


def test_a_total_may_stand_behind_the_last_row_where_lines_were_joined() -> None:
    rows = [figures_of(text, place) for place, text in enumerate(("A 10 20", "B 5 4 15 24"))]
    assert [whole.value for _, whole in column_totals(rows, rows[0])] == [15, 24]


def test_a_row_is_not_a_total_of_itself() -> None:
    rows = [figures_of(text, place) for place, text in enumerate(("Tower 10 20", "Store 10 20"))]
    assert list(column_totals(rows, rows[0])) == []


@pytest.mark.parametrize(
    ("row", "directions"),
    [
        ("International 46,363 46,619 (0.6)%", {"down"}),
        ("| U.S. | $48,580 | $47,156 | 3.0% |", {"up"}),
        ("Oil 12 14 -14.3 %", {"down"}),
        ("Rope 5.1% (2.0)%", {"up", "down"}),
        ("The lamp burns 5% of the oil that the store holds in a year.", set()),
        ("Oil 12 14", set()),
    ],
)
def test_the_signs_of_percentages_in_a_row_of_figures_show_a_direction(
    row: str, directions: set[str]
) -> None:
    assert directions_of_figures(row) == directions
