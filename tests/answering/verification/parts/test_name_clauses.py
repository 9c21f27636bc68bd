"""A name belongs to the part of a sentence in which it stands."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify

CONCERT = (
    "At the spring concert the choir was conducted by Helen Strand and the orchestra by Ivo Kappel. "
    "The programme was printed by Quill & Sons."
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("The orchestra was conducted by Ivo Kappel.", True),
        ("The orchestra was conducted by Helen Strand.", False),
        ("Helen Strand conducted the choir and Ivo Kappel the orchestra.", True),
        ("Helen Strand conducted the orchestra and Ivo Kappel the choir.", False),
    ],
)
def test_a_name_of_another_part_is_refused(claim: str, expected: bool) -> None:
    assert verify(claim, CONCERT).supported == expected


@pytest.mark.parametrize(
    "claim", ["Jonas Reik requeened Hive Maple in May.", "Jonas Reik requeened Hive Maple."]
)
def test_two_names_of_one_part_belong_together_though_it_leaves_the_verb_out(claim: str) -> None:
    source = (
        "Hive Linden was requeened in April by Petra Holm and Hive Maple in May by Jonas Reik."
        " Hive Birch kept its old queen."
    )
    assert verify(claim, source).supported


def test_a_name_alone_is_held_to_its_question() -> None:
    question = "Who conducted the orchestra?"
    assert verify("Ivo Kappel [1].", CONCERT, question=question).supported
    assert not verify("Helen Strand [1].", CONCERT, question=question).supported


def test_the_letter_of_a_thing_is_no_name() -> None:
    source = (
        "Ward C will be closed for painting from 10 to 21 March 2025, and Ward A will receive six more"
        " beds in April."
    )
    assert verify("Ward C will be closed from 10 to 21 March 2025.", source).supported
