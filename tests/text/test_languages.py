"""Which language a question is in, and its function words."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.text.languages import (
    content_words,
    function_words,
    languages,
    languages_of_texts,
    question_terms,
)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How many of the boats were in the harbour?", "en"),
        ("What was the die size in an LED?", "en"),
        ("Was kostet die Instandsetzung im Hof?", "de"),
        ("Wer gewann die Weltmeisterschaft?", "de"),
        ("Combien de livres un lecteur emprunte-t-il ?", "fr"),
        ("¿Cuánto cuesta la entrada del museo?", "es"),
        ("Quanto paga cada aluno por mês?", "pt"),
        ("Quanti appartamenti ha il palazzo?", "it"),
        ("Hoeveel boten heeft de vereniging?", "nl"),
        ("Hur många medlemmar har laget?", "sv"),
        ("Hvor mange medlemmer har lauget?", "no"),
        ("Ile kosztuje nocleg i kto jest gospodarzem?", "pl"),
        ("Сколько составляет взнос?", "ru"),
        ("会员每月缴费多少？", "zh"),
        ("集会所は予約が必要ですか？", "zh"),
    ],
)
def test_function_words_tell_the_language(question: str, language: str) -> None:
    assert languages(question) == {language}


def test_a_question_may_be_in_several_languages_or_in_none() -> None:
    assert {"en", "de"} <= languages("Was kostet Reparatur?")
    assert languages("Umsatz Apple") == frozenset()


def test_texts_with_few_function_words_say_nothing_of_their_language() -> None:
    prose = "Die Treppe wird jeden Freitag gereinigt, und im Hof darf nicht gegrillt werden."
    assert languages_of_texts([prose, "Net sales 12 14", "The end"]) == {"de"}


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("What is the height of the lamp?", ["height", "lamp"]),
        ("Nach wie vielen Stunden kommt er?", ["stunden", "kommt"]),
        ("Quand et où se réunit le conseil ?", ["réunit", "conseil"]),
        ("¿Cuánto cuesta la entrada?", ["cuesta", "entrada"]),
        ("押金多少？", ["押金"]),
    ],
)
def test_what_is_left_of_a_question_are_its_content_words(question: str, left: list[str]) -> None:
    assert content_words(question) == left


def test_words_of_other_languages_are_no_function_words() -> None:
    assert "die" not in function_words("Does the die crack in an oven?")
    assert "not" not in function_words("Wer hilft in der Not?")


def test_function_words_count_only_where_a_question_has_nothing_else() -> None:
    assert question_terms("What is the height of the lamp?") == ["height", "lamp"]
    assert question_terms("The Who") == ["the", "who"]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Câți lei a acordat consiliul pentru far?", set()),  # has function words of Italian
        ("Co řekl Karel Dvořák?", set()),
        ("What did Karel Dvořák say about the façade?", {"en"}),
        ("Wie viele µm misst der Spalt?", {"de"}),
    ],
)
def test_letters_tell_a_language_that_has_no_list_from_one_that_has(
    question: str, found: set[str]
) -> None:
    assert languages(question) == found
