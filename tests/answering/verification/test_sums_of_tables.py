"""The sum of a column of a table is that of all its rows, unless some of these are named."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify

ORCHARDS = """The estate was founded in 1911.

| Orchard | Trees | Apples (t) |
| --- | --- | --- |
| North | 120 | 8.4 |
| South | 95 | 6.15 |
| Brook | 60 | 3.9 |
"""
FLIGHTS = """| Mois | Vols 2024 | Vols 2025 |
| --- | --- | --- |
| Avril | 61 | 74 |
| Mai | 88 | 80 |
| Juin | 102 | 119 |
"""
VOICES = """| Stimme | Sänger | Proben |
| --- | --- | --- |
| Sopran | 14 | 38 |
| Alt | 11 | 36 |
| Tenor | 7 | 35 |
| Bass | 9 | 31 |
"""
FIELDS = """| Campo | Trigo (t) | Avena (t) |
| --- | --- | --- |
| Alto | 14,2 | 6,1 |
| Bajo | 11,5 | 7,4 |
| Medio | 9,3 | 5,0 |
"""


@pytest.mark.parametrize(
    ("source", "claim", "expected"),
    [
        (ORCHARDS, "Together the three orchards gave 18.45 t of apples.", True),
        (ORCHARDS, "In all, the three orchards have 275 trees.", True),
        (ORCHARDS, "Together the two orchards gave 18.45 t of apples.", False),
        (ORCHARDS, "The five orchards have 275 trees in total.", False),
        (ORCHARDS, "Together the three orchards gave 14.55 t of apples.", False),
        (ORCHARDS, "Together the orchards gave 14.55 t of apples.", False),
        (ORCHARDS, "Together the two orchards gave 14.55 t of apples.", False),
        (ORCHARDS, "North and South together gave 14.55 t of apples.", True),
        (VOICES, "Zusammen haben die vier Stimmen 41 Sänger.", True),
        (VOICES, "Zusammen haben die fünf Stimmen 41 Sänger.", False),
        (VOICES, "Zusammen haben die vier Stimmen 39 Sänger.", False),
    ],
)
def test_all_rows_are_added_up_and_counted(source: str, claim: str, expected: bool) -> None:
    assert verify(claim, source).supported == expected


@pytest.mark.parametrize(
    ("source", "claim", "expected"),
    [
        (FLIGHTS, "Au total, il y a eu 273 vols en 2025.", True),
        (FLIGHTS, "Au total, il y a eu 251 vols en 2025.", False),
        (FIELDS, "En total, los tres campos dieron 35,0 t de trigo.", True),
        (FIELDS, "En total, los tres campos dieron 18,5 t de trigo.", False),
        (FIELDS, "Los campos dieron juntos 35,0 t de trigo.", True),
    ],
)
def test_a_sum_is_named_in_other_languages_and_before_the_sentence(
    source: str, claim: str, expected: bool
) -> None:
    assert verify(claim, source).supported == expected


def test_a_month_is_the_head_of_a_column_that_is_compared() -> None:
    source = "| Year | January | February |\n| --- | --- | --- |\n| 2023 | 74 | 63 |\n| 2024 | 120 | 38 |"
    assert verify("January rainfall rose by 46 mm from 2023 to 2024.", source).supported


def test_a_month_alone_supports_nothing() -> None:
    source = "Gültig ab 3. Februar 2025. Die Fähre nach Oststeg verkehrt nur von April bis Oktober."
    assert not verify("The lighthouse opens in April.", source).supported


@pytest.mark.parametrize(
    ("claim", "expected"),
    [("L'avion a été révisé en mars.", True), ("L'avion a été révisé en mai.", False)],
)
def test_a_month_alone_is_compared(claim: str, expected: bool) -> None:
    source = f"Le planeur a volé 212 heures. L'avion a été révisé en mars.\n\n{FLIGHTS}"
    assert verify(claim, source).supported == expected
