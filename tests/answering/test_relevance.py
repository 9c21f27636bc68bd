"""Whether what was found is about the question."""

from __future__ import annotations

from deepseek_ocr_rag.answering.quoting.relevance import ENOUGH, is_about, is_said, relevance
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


def report(company: str, others: str = "") -> list[tuple[str, str]]:
    """A report of twenty parts, most of which name their company; one names others."""
    parts = [f"{company} sold lamps in 2019, and more of them than before." for _ in range(19)]
    return [(f"{company.casefold()}.pdf", text) for text in (*parts, f"Rivals are {others}.")]


REPORTS = [*report("Skarv"), *(report("Hestur", "Skarv and Lunna in 2016"))]
ABOUT = TermFrequencies(REPORTS)


def found(source: str, text: str = "Net sales rose by a tenth.") -> list[Passage]:
    return [Passage(text, source, 1, (), 1.0, (), (0, 1), ())]


def test_passages_of_a_document_that_only_mentions_a_name_are_not_about_it() -> None:
    question = "How much did Lunna sell?"
    longer = TermFrequencies(
        [*REPORTS[20:40], *(("hestur.pdf", "More of lamps.") for _ in range(60))]
    )
    assert not is_about(question, found("hestur.pdf"), longer)
    assert is_about(question, found("hestur.pdf", "Rivals are Skarv and Lunna."), ABOUT)


def test_passages_of_a_document_about_a_name_need_not_repeat_it() -> None:
    assert is_about("How much did Skarv sell?", found("skarv.pdf"), ABOUT)


def test_a_year_that_the_document_hardly_names_is_not_its_own() -> None:
    assert is_about("How much did Hestur sell in FY2019?", found("hestur.pdf"), ABOUT)
    assert not is_about("How much did Hestur sell in FY2016?", found("hestur.pdf"), ABOUT)


def test_names_of_measures_and_names_that_no_document_has_do_not_count() -> None:
    assert is_about("What was the Return on Assets?", found("hestur.pdf"), ABOUT)
    assert is_about("How much did HSTR sell?", found("hestur.pdf"), ABOUT)


def test_a_sentence_with_all_words_of_a_question_says_it() -> None:
    texts = [
        "The hall is open on Sundays.",
        "The whale skeleton is 14.2 metres long and weighs a lot.",
    ]
    passages = [Passage(text, "a.pdf", 1, (), 1.0, (), (0, 1), ()) for text in texts]
    assert is_said("How long is the whale skeleton?", passages)
    assert not is_said("How long is the whale skeleton of Bergen?", passages)
    assert not is_said("Where is the skeleton?", passages)
