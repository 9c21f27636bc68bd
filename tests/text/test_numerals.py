"""Numbers: equal in different notations, and different where they differ."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.text.numerals import numbers


def values(text: str) -> list[set[str]]:
    return [{str(value) for value in number.values} for number in numbers(text)]


def says(source: str, claim: str) -> bool:
    (claimed,) = numbers(claim)
    return any(claimed.matches(stated) for stated in numbers(source, every_reading=True))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("40 metres", [{"40"}]),
        ("1,234.50 dollars", [{"1234.50"}]),
        ("1.234,50 Euro", [{"1234.50"}]),
        ("1.234", [{"1.234", "1234"}]),
        ("0.005", [{"0.005"}]),
        ("12'516 francs", [{"12516"}]),
        (".95 L", [{"0.95"}]),
        ("FY2023", [{"2023"}]),
        ("version 3.2.1", [{"3"}, {"2"}, {"1"}]),
        ("twenty-five boxes", [{"25"}]),
        ("zwölf Kisten", [{"12"}]),
        ("this one", []),
        ("no number", []),
    ],
)
def test_a_number_has_the_readings_that_its_marks_allow(text: str, found: list[set[str]]) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("1.234,50 EUR", "1,234.50"),
        ("12 516 inhabitants", "12,516"),
        ("three sensors", "3"),
        ("$23.7 billion", "23.7 billion"),
        ("sales of 23,706 in millions", "23.7 billion"),
        ("one of them", "1"),
        ("30216492", "30216492.00"),
        ("l2O litres", "120"),
        ("43.7%", "about 44%"),
        ("$8.46", "approximately $8.5"),
        ("26 g to .95 L [l quart] of water", "1"),
    ],
)
def test_a_source_says_a_number_in_another_writing(source: str, claim: str) -> None:
    assert says(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("1.234,50 EUR", "1,234.60"),
        ("23,706 in millions", "23.8 billion"),
        ("23.7 million", "23.7 billion"),
        ("12 and 516", "12,517"),
        ("40", "400"),
        ("43.7%", "44%"),
        ("43.4%", "about 44%"),
        ("43,706", "about 44"),
        ("8 percent", "8 percentage points"),
        ("72 percent", "72 basis points"),
        ("l Wipe it dry.", "1"),
        ("1.5 l of oil", "1"),
    ],
)
def test_a_source_does_not_say_another_number(source: str, claim: str) -> None:
    assert not says(source, claim)


@given(st.decimals(0, 10**9, places=2, allow_nan=False))
def test_english_and_german_writing_agree(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert says(german, english)


@given(st.text("0123456789.,' -eine one", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    for number in numbers(text, every_reading=True):
        assert text[slice(*number.span)] == number.text
        assert number.matches(number)
