"""What a "not" stands before."""

from __future__ import annotations

import pytest

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
