"""Sentences checked while they come: what is shown when, and how citations are numbered."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.cleaner import CitationMark
from deepseek_ocr_rag.answering.fixed_texts import NOT_FOUND
from deepseek_ocr_rag.answering.verification.verifier import Verifier
from deepseek_ocr_rag.answering.writer import AnswerWriter
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.retrieval.chunking import chunk_document
from deepseek_ocr_rag.retrieval.retriever import Passage

TEXTS = (
    "Ann Lee has kept the lamp since 1902.",
    "The tower is 40 metres high.",
    "Four ships were lost off the rock.",
)
QUESTION = "Who keeps the lamp, and how high is the tower?"


def passage(number: int, text: str) -> Passage:
    block = Block("text", text, (Box(0.1, 0.1, 0.9, 0.2),), (0, len(text)))
    (chunk,) = chunk_document(OcrDocument("light.pdf", (Page(number, text, (block,)),), 3))
    return Passage(chunk.text, "light.pdf", number, chunk.boxes, 1.0, (), chunk.span, chunk.pieces)


def writer(*, strict: bool = False) -> AnswerWriter:
    passages = [passage(number, text) for number, text in enumerate(TEXTS, start=1)]
    return AnswerWriter(Verifier(passages, QUESTION), QUESTION, strict=strict)


def cite(*numbers: int) -> CitationMark:
    return CitationMark(numbers, " ")


def test_text_is_shown_up_to_its_first_citation_and_that_once_it_is_checked() -> None:
    writing = writer()
    assert writing.feed(["Ann Lee keeps ", "the lamp"]) == "Ann Lee keeps the lamp"
    assert writing.feed([cite(1), "."]) == ""
    assert writing.feed([" The"]) == " [1]. The"
    assert writing.finish() == " [unsupported]"


def test_citations_are_numbered_as_they_are_shown_and_each_once() -> None:
    writing = writer()
    writing.feed(["The tower is 40 metres high", cite(2), ". Ann Lee keeps the lamp", cite(1)])
    writing.feed([". It is 40 metres high", cite(2), "."])
    writing.finish()
    assert writing.text == (
        "The tower is 40 metres high [1]. Ann Lee keeps the lamp [2]. It is 40 metres high [1]."
    )
    assert [citation.page for citation in writing.citations] == [2, 1]
    assert [sentence.citations for sentence in writing.sentences] == [(0,), (1,), (0,)]


def test_a_mark_behind_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    writing = writer()
    writing.feed(["Ann Lee keeps the lamp.", cite(1), " The tower is 40 metres high.", cite(2)])
    writing.finish()
    assert writing.text == "Ann Lee keeps the lamp. [1] The tower is 40 metres high. [2]"
    assert [sentence.cited for sentence in writing.sentences] == [(0,), (1,)]


def test_a_source_that_is_cited_in_vain_is_not_shown() -> None:
    writing = writer()
    writing.feed(["Ann Lee keeps the lamp", cite(1, 3), "."])
    writing.finish()
    assert writing.text == "Ann Lee keeps the lamp [1]."
    assert writing.sentences[0].cited == (0, 2)


def test_a_sentence_cited_to_the_wrong_page_is_not_supported() -> None:
    writing = writer()
    writing.feed(["Ann Lee keeps the lamp", cite(3), "."])
    writing.finish()
    assert writing.text == "Ann Lee keeps the lamp [unsupported]."
    assert writing.citations == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The documents do not say who keeps the lamp.",
        "There is no information about the tower.",
        "This is not in these documents.",
    ],
)
def test_saying_that_nothing_was_found_needs_no_source(sentence: str) -> None:
    writing = writer()
    writing.feed([sentence])
    writing.finish()
    assert [s.status for s in writing.sentences] == ["absent"]
    assert writing.text == sentence


@pytest.mark.parametrize("sentence", ["Nobody keeps the lamp.", "There is no bell on the tower."])
def test_a_claim_is_not_taken_for_it(sentence: str) -> None:
    writing = writer()
    writing.feed([sentence])
    writing.finish()
    assert [s.status for s in writing.sentences] == ["unsupported"]


def test_strict_mode_shows_a_sentence_when_it_is_whole_and_supported() -> None:
    writing = writer(strict=True)
    assert writing.feed(["Bob keeps the lamp", cite(1), ". Ann Lee keeps the lamp"]) == ""
    assert writing.feed([cite(1), ".\n\nThe"]) == "Ann Lee keeps the lamp [1]."
    assert writing.finish() == ""
    assert [sentence.span is None for sentence in writing.sentences] == [True, False, True]


def test_strict_mode_keeps_paragraphs_apart_where_a_sentence_between_them_is_left_out() -> None:
    writing = writer(strict=True)
    writing.feed(["Ann Lee keeps the lamp", cite(1), ".\n\nBob does not", cite(1), "."])
    writing.feed([" The tower is 40 metres high", cite(2), "."])
    writing.finish()
    assert writing.text == "Ann Lee keeps the lamp [1].\n\nThe tower is 40 metres high [2]."


def test_strict_mode_with_nothing_left_says_that_nothing_was_found() -> None:
    writing = writer(strict=True)
    writing.feed(["Bob keeps the lamp", cite(1), "."])
    assert writing.finish() == NOT_FOUND


def test_list_items_are_sentences_of_their_own() -> None:
    writing = writer()
    writing.feed(["- Ann Lee keeps the lamp", cite(1), "\n- The tower is 41 metres high", cite(2)])
    writing.finish()
    assert writing.text == (
        "- Ann Lee keeps the lamp [1]\n- The tower is 41 metres high [unsupported]"
    )


def test_a_removed_link_is_not_a_sentence() -> None:
    parts = ["(link removed)\n\nAnn Lee keeps the lamp", cite(1), "."]
    for strict, shown in ((False, "(link removed)\n\n"), (True, "")):
        writing = writer(strict=strict)
        writing.feed(parts)
        writing.finish()
        assert writing.text == f"{shown}Ann Lee keeps the lamp [1]."
        assert len(writing.sentences) == 1
