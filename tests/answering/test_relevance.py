"""Whether what was found is about the question."""

from __future__ import annotations

from deepseek_ocr_rag.answering.quoting.relevance import ENOUGH, relevance
from deepseek_ocr_rag.answering.verification.term_frequencies import TermFrequencies
from deepseek_ocr_rag.retrieval.retriever import Passage

TEXTS = [
    "The lamp of the lighthouse burns rape oil.",
    "Ann Lee has kept the lamp since 1902.",
    "The bell is rung in fog.",
]
PASSAGES = [Passage(text, "a.pdf", 1, (), 1.0, (), (0, 1), ()) for text in TEXTS]
FREQUENCIES = TermFrequencies(("a.pdf", text) for text in TEXTS)


def test_a_question_whose_words_are_there_is_relevant() -> None:
    assert relevance("What oil does the lamp burn?", PASSAGES, FREQUENCIES) > 0.9


def test_one_common_word_is_not_enough() -> None:
    question = "Which lamp company sponsored the football club in Turin?"
    assert 0 < relevance(question, PASSAGES, FREQUENCIES) < ENOUGH


def test_headings_count() -> None:
    headed = Passage("It burns at night.", "a.pdf", 1, (), 1.0, ("Beacons",), (0, 1), ())
    assert relevance("Beacons?", [headed], FREQUENCIES) == 1.0


def test_a_question_of_function_words_says_nothing() -> None:
    assert relevance("What is it?", PASSAGES, FREQUENCIES) == 1.0


def test_what_a_question_says_on_the_form_of_its_answer_does_not_count() -> None:
    question = "What oil does the lamp burn? Write the answer as a list of strings."
    assert relevance(question, PASSAGES, FREQUENCIES) > 0.9
