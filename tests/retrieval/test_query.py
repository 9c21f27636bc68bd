"""Questions taken apart: what is searched for, and what is only said about the answer."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.retrieval.query import RELATED_WEIGHT, parse_query
from deepseek_ocr_rag.retrieval.references import Reference


def test_a_question_is_terms_phrases_and_places() -> None:
    query = parse_query("What is the blood pressure on page 4?")
    assert query.terms[:2] == ("blood", "pressure")
    assert "~pressur" in query.terms
    assert "blood pressure" in query.phrases
    assert query.references == {Reference("page", "4")}
    assert query.asked == "What is the blood pressure on page 4?"


@pytest.mark.parametrize(
    "instruction",
    [
        "Write the answer in integer format.",
        "Give me an integer.",
        "The answer should be formatted as a list like ['Page 2', 'Page 4'].",
        "Directly answer 'yes' or 'no'.",
        "Please answer in one word.",
        "Round it to two decimals.",
    ],
)
def test_what_the_answer_should_look_like_is_not_searched_for(instruction: str) -> None:
    assert parse_query(f"How high is the tower? {instruction}") == parse_query(
        "How high is the tower?"
    )


@pytest.mark.parametrize(
    "question",
    [
        "I have the pump of 2019. Give me its pressure limit.",
        "List the quizzes of the course.",
        "What is the height? Write to the keeper at what address?",
    ],
)
def test_a_second_sentence_that_asks_is_searched_for(question: str) -> None:
    last = question.rstrip(".?").split()[-1]
    assert last in parse_query(question).terms


def test_a_question_of_function_words_alone_keeps_them() -> None:
    assert parse_query("The Who?").terms[:2] == ("the", "who")


def test_an_empty_question_is_nothing() -> None:
    query = parse_query(" ")
    assert (query.terms, query.phrases, query.references) == ((), (), frozenset())


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("On which pages is it told?", True),
        ("What page number has the chart?", True),
        ("Auf welcher Seite steht das?", True),
        ("在第几页？", True),
        ("What is on page 4?", False),
        ("Who wrote the pages?", False),
    ],
)
def test_a_question_for_a_page_number_is_recognised(question: str, asks: bool) -> None:
    assert parse_query(question).asks_for_page is asks


def test_a_sentence_that_is_glued_to_the_question_is_still_about_the_form() -> None:
    query = parse_query("What are the sales of Lamp Ltd in 2015?Answer in thousands.")
    assert "thousand" not in query.terms
    assert "sale" in query.terms


@pytest.mark.parametrize(
    "question",
    [
        "Assume that you are a public equities analyst. What is the inventory?",
        "You are an investment banker and need to know: what is the inventory?",
        "Answer the following question by using the information shown in it: what is the inventory?",
        "What is the inventory? If there is none, then please say so.",
    ],
)
def test_words_about_answering_are_not_searched_for(question: str) -> None:
    terms = set(parse_query(question).terms)
    assert "inventory" in terms
    assert not terms & {"analyst", "banker", "question", "information", "please"}


def test_a_question_of_such_words_alone_keeps_them() -> None:
    assert "question" in parse_query("Answer the question.").terms


def test_a_measure_brings_terms_of_its_line_items_apart_from_its_own() -> None:
    query = parse_query("What is the working capital?")
    assert "liability" in query.related
    assert "liability" not in query.terms
    assert query.weights == ((query.terms, 1.0), (query.related, RELATED_WEIGHT))


@pytest.mark.parametrize(
    ("question", "asks"),
    [("Which exhibits are filed?", True), ("Who audited it?", True), ("What was sold?", False)],
)
def test_a_question_about_exhibits_or_an_audit_is_recognised(question: str, asks: bool) -> None:
    assert parse_query(question).asks_for_listing is asks


def test_a_measure_is_also_looked_for_by_its_name_in_tables() -> None:
    assert "height" in parse_query("How tall is the tower of Vannet Rock?").terms
    assert "gewicht" in parse_query("Wie schwer ist die Glocke?").terms
    assert "height" not in parse_query("Who lives in the tall tower?").terms
