"""Facts: the parts of a sentence that must be in its source exactly."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.facts import claimed_facts, stated_facts
from deepseek_ocr_rag.text.plain_text import plain_text


def names(text: str) -> list[str]:
    return [name.text for name in claimed_facts(text).names]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The lamp is kept by Ann Lee.", ["Ann", "Lee"]),
        ("Walmart experienced a strong start.", ["Walmart"]),
        ("Open the lid.", []),
        ("According to the report, it fell.", []),
        ("The U.S. office of IBM, in New York.", ["U.S.", "IBM", "New", "York"]),
        ("Rick Scott", ["Rick", "Scott"]),
        ("A non-Huawei charger", ["Huawei"]),
        ("After smoking, After bathing", []),
        ("Die Stadt Zürich hat Anna Berg und das Haus.", ["Stadt", "Zürich", "Anna", "Berg"]),
        ("In March 2015 it fell.", []),
        ("It fell in 4Q and in Q4.", []),
    ],
)
def test_names_are_capitals_without_another_reason(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_numbers_of_a_date_are_not_numbers_of_a_claim() -> None:
    claimed = claimed_facts("2. On March 24, 2015 it had 12 rooms.")
    assert [number.text for number in claimed.numbers] == ["12"]
    assert [date.text for date in claimed.dates] == ["March 24, 2015"]


def test_numbers_of_list_items_are_not_numbers_of_a_claim() -> None:
    claimed = claimed_facts("1. Open it. 2. Take 5 cans. 3) Fill it. 7. Close it.")
    assert [number.text for number in claimed.numbers] == ["5", "7"]
    assert [claimed.plain[slice(*number.span)] for number in claimed.numbers] == ["5", "7"]


def test_a_first_number_that_the_others_do_not_count_on_from_is_one() -> None:
    claimed = claimed_facts("24. Open it. 2. Fill it. 3. Close it.")
    assert [number.text for number in claimed.numbers] == ["24", "2", "3"]


def test_a_source_states_the_numbers_of_its_dates_as_well() -> None:
    stated = stated_facts("On March 24, 2015 it had 12 rooms.")
    assert {number.text for number in stated.numbers} == {"24", "2015", "12"}


def test_each_fact_knows_where_it_stands() -> None:
    claimed = claimed_facts("It cost **300** mmHg, not 300 kPa.")
    assert [claimed.plain[slice(*n.span)] for n in claimed.numbers] == ["300", "300"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<b>13</b>&nbsp;kg", " 13  kg"),
        (r"$25^{\circ} \mathrm{C}$", "25 °  C"),
        (r"\(97\%\)", "(97%)"),
        ("1½ cups", "1 1\u20442 cups"),
    ],
)
def test_markup_is_read_away(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_the_symbol_of_a_unit_behind_a_number_is_not_a_name() -> None:
    assert [name.text for name in claimed_facts("It needs 5.0 V or 43.8 °C/W.").names] == []
    assert [name.text for name in claimed_facts("It is made by VDD Corp.").names] == ["VDD", "Corp"]


def test_above_a_row_the_days_of_dates_are_no_numbers() -> None:
    stated = stated_facts("| Boats | 12 |", "| | December 31, 2024 |")
    assert {number.text for number in stated.numbers} == {"12", "2024"}


def test_an_abbreviation_at_the_beginning_is_no_function_word() -> None:
    assert [name.text for name in claimed_facts("US sales increased.").names] == ["US"]
