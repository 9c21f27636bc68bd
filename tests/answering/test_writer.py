"""Sentences checked while they come: what is shown when, and how citations are numbered."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.cleaner import AnswerCleaner, CitationMark
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
def test_a_claim_is_not_taken_for_saying_that_nothing_was_found(sentence: str) -> None:
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


def test_strict_mode_may_have_nothing_to_show() -> None:
    writing = writer(strict=True)
    writing.feed(["Bob keeps the lamp", cite(1), "."])
    assert writing.finish() == ""
    assert [sentence.status for sentence in writing.sentences] == ["unsupported"]


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


# --- the same again, and nothing at all -----------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_equal_sentence_is_shown_once(size: int, strict: bool) -> None:
    text = "Ann Lee keeps the lamp. ANN LEE  keeps the lamp! The tower is 40 metres high."
    writing = writer(strict=strict)
    cleaner = AnswerCleaner(3)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = [writing.feed(cleaner.feed(piece)) for piece in pieces]
    shown += [writing.feed(cleaner.finish()), writing.finish()]
    assert (
        "".join(shown)
        == writing.text
        == ("Ann Lee keeps the lamp. [1] The tower is 40 metres high. [2]")
    )
    assert len(writing.sentences) == 2
    assert not writing.repeats


@pytest.mark.parametrize("strict", [False, True])
def test_with_the_third_equal_sentence_a_model_repeats_itself(strict: bool) -> None:
    writing = writer(strict=strict)
    for sentence in (" Ann Lee keeps the lamp.", " The tower is 40 metres high.") * 2:
        writing.feed([sentence])
    assert not writing.repeats
    writing.feed([" Ann Lee keeps the lamp."])
    assert writing.repeats
    assert writing.feed([" It is old."]) + writing.finish() == ""
    assert len(writing.sentences) == 2


def test_a_sentence_that_begins_like_another_is_shown_from_where_they_part() -> None:
    writing = writer()
    writing.feed(["The tower is 40 metres high", cite(2), "."])
    assert writing.feed([" The tower is "]) == " [1]."
    assert writing.feed(["old"]) == " The tower is old"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("text", ["...", "…", "—", "***", '"..."', "- \n- ", "?!", "```\n```"])
def test_a_sentence_without_a_word_is_none(text: str, strict: bool) -> None:
    writing = writer(strict=strict)
    writing.feed([text, cite(1)])
    assert writing.finish() == ""
    assert (writing.text, writing.sentences, writing.citations) == ("", [], [])
    assert writing.wordless


def test_paragraphs_stay_apart_where_something_without_a_word_is_left_out() -> None:
    writing = writer()
    writing.feed(["Ann Lee keeps the lamp", cite(1), ".\n\n...\n\nThe tower is old", cite(2), "."])
    writing.finish()
    assert writing.text == "Ann Lee keeps the lamp [1].\n\nThe tower is old [unsupported]."


def test_the_line_below_the_head_of_a_table_is_layout() -> None:
    writing = writer()
    writing.feed(["| who | what |\n| --- | --- |\n| Ann Lee | keeps the lamp |", cite(1)])
    writing.finish()
    assert "\n| --- | --- |\n| Ann Lee |" in writing.text


@pytest.mark.parametrize("rest", ["The tower is", "The tower is 40", "2."])
def test_a_last_sentence_that_is_not_whole_is_left_out_of_a_reply_that_broke_off(rest: str) -> None:
    for strict in (False, True):
        writing = writer(strict=strict)
        writing.feed(["Ann Lee keeps the lamp", cite(1), f".\n{rest}"])
        writing.finish(broken_off=True)
        shown = "" if strict else f"\n{rest} …"
        assert writing.text == f"Ann Lee keeps the lamp [1].{shown}"
        assert len(writing.sentences) == 1


def test_a_whole_last_sentence_of_a_reply_that_broke_off_is_kept() -> None:
    writing = writer()
    writing.feed(["Ann Lee keeps the lamp", cite(1), "."])
    writing.finish(broken_off=True)
    assert writing.text == "Ann Lee keeps the lamp [1]."
