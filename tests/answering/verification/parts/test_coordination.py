"""The second part of a sentence leaves out what it shares with the first, and replaces the rest."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify

HIVES = (
    "Hive Linden was requeened in April by Petra Holm and Hive Maple in May by Jonas Reik."
    " Hive Birch kept its old queen."
)
BREAD = "Rest the dough for 12 hours at 18 °C. Bake for 15 minutes at 250 °C and for 45 minutes at 200 °C."
BLADES = "Härten Sie die Klingen 20 Minuten bei 820 °C und 40 Minuten bei 200 °C."
PRICES = "Tickets cost 14 euros for adults and 7 euros for children. Dogs travel free."
LIDO = "The sauna is closed in February and the slide in November."
SAILING = "Les moniteurs naviguent gratuitement ; les élèves paient 30 euros."


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (BREAD, "Bake for 45 minutes at 200 °C."),
        (BREAD, "Bake for 15 minutes at 250 °C."),
        (BLADES, "Härten Sie die Klingen 40 Minuten bei 200 °C."),
        (HIVES, "Petra Holm requeened Hive Linden in April."),
        (HIVES, "Hive Maple was requeened in May by Jonas Reik."),
        (LIDO, "The slide is closed in November."),
    ],
)
def test_a_part_takes_what_it_leaves_out_from_the_part_before(source: str, claim: str) -> None:
    assert verify(claim, source).supported


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (BREAD, "Bake for 45 minutes at 250 °C."),
        (BLADES, "Härten Sie die Klingen 40 Minuten bei 820 °C."),
        (BLADES, "Härten Sie die Klingen 20 Minuten bei 200 °C."),
        (HIVES, "Petra Holm requeened Hive Maple."),
        (HIVES, "Petra Holm requeened Hive Maple in May."),
        (LIDO, "The sauna is closed in November."),
    ],
)
def test_what_both_parts_have_in_one_role_is_not_exchanged(source: str, claim: str) -> None:
    assert not verify(claim, source).supported


@pytest.mark.parametrize(
    ("source", "claim", "expected"),
    [
        (PRICES, "Dogs travel free.", True),
        (PRICES, "Children travel free.", False),
        (PRICES, "Adults travel free.", False),
        (SAILING, "Les moniteurs naviguent gratuitement.", True),
        (SAILING, "Les élèves naviguent gratuitement.", False),
        (f"{PRICES} Dogs and cats sleep here.", "Cats travel free.", False),
        ("Dogs and children travel free. Adults pay 9 euros.", "Children travel free.", True),
        ("Dogs and children travel free. Adults pay 9 euros.", "Dogs travel free.", True),
        ("Lockers cost 1 euro and towels 2 euros.", "Towels cost 2 euros.", True),
        ("Amcor sells its products worldwide. The company is old.",
         "The company sells its products worldwide.", True),
    ],
)  # fmt: skip
def test_what_is_said_of_one_subject_is_not_said_of_another(
    source: str, claim: str, expected: bool
) -> None:
    assert verify(claim, source).supported == expected


def test_a_subject_of_the_question_may_be_called_otherwise() -> None:
    source = "Pensioners swim free on Mondays. Old guests of the hotel may use the pool."
    question = "Do guests swim free on Mondays?"
    assert verify("Guests swim free on Mondays.", source, question=question).supported
