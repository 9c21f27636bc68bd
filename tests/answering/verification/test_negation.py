"""What a "not" comes before."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.answering.verification.negation import negated_terms, plain_terms


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("The hinge must not be removed.", {"removed"}),
        ("It doesn't burn oil.", {"burn"}),
        ("There is no drain in this tray.", {"drain"}),
        ("Der Deckel darf nicht entfernt werden.", {"entfernt"}),
        ("O pomar C não é regado.", {"regado"}),
        ("La porte n'est pas ouverte.", {"ouverte"}),
        ("De deur is niet gesloten.", {"gesloten"}),
        ("No, it can be removed.", set()),
        ("A non-return valve.", set()),
        ("No the operating margin fell.", set()),
        ("No its lid is heavy.", set()),
        ("No lid is heavy.", {"lid"}),
        ("Remove it.", set()),
    ],
)
def test_the_first_content_word_behind_it_is_negated(text: str, negated: set[str]) -> None:
    assert set(negated_terms(text)) == negated


def test_a_word_can_stand_with_and_without_it() -> None:
    assert "press" in plain_terms("Press the lid. Do not press the glass.")
    assert "press" not in plain_terms("Do not press the glass.")


def test_a_column_called_never_has_figures_of_a_negation() -> None:
    source = (
        "| How often do you feel this way? | Never | Often |\n| --- | --- | --- |\n"
        "| Overwhelmed | 6.2% | 66.1% |\n| Depressed | 38.2% | 24.2% |"
    )
    assert verify("6.2% of the students never felt overwhelmed.", source).supported
    assert not verify("38.2% of the students never felt overwhelmed.", source).supported
    assert not verify(
        "The students never felt overwhelmed.", "The students felt overwhelmed."
    ).supported
