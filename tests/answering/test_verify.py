"""Somebody else's answer is checked sentence by sentence against what it was written from."""

from __future__ import annotations

import time

import pytest

from deepseek_ocr_rag import OcrDocument, Retriever, chunk_document, verify
from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import page_records, split_records

KEEPER = "Ann Lee has kept the lamp since 1902."
FOG = "The hand horn was sounded for nine hours."
BOXES = (Box(0.1, 0.1, 0.9, 0.2), Box(0.1, 0.3, 0.9, 0.4))


def page(number: int, text: str, box: Box) -> Page:
    return Page(number, text, (Block("text", text, (box,), (0, len(text))),))


DOCUMENT = OcrDocument("light.pdf", (page(1, KEEPER, BOXES[0]), page(2, FOG, BOXES[1])), 2)
RECORDS = tuple(
    split_records(
        record
        for one in DOCUMENT.pages
        for record in page_records(one, source="light.pdf", total_pages=2)
    )
)
SOURCES = {
    "passages": Retriever.from_documents([DOCUMENT]).search("Who kept the lamp and the horn?"),
    "chunks": chunk_document(DOCUMENT),
    "records": RECORDS,
    "flat records": tuple(record.flat() for record in RECORDS),
    "a document": DOCUMENT,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_sentence_gets_its_status_its_page_and_its_box(kind: str) -> None:
    checked = verify("Ann Lee has kept the lamp since 1902. It cost 40 pounds.", SOURCES[kind])
    assert [sentence.status for sentence in checked.sentences] == ["supported", "unsupported"]
    (citation,) = checked.citations
    assert (citation.source, citation.page, citation.boxes, citation.quote) == (
        "light.pdf",
        1,
        (BOXES[0],),
        KEEPER,
    )
    assert checked.sentences[0].citations == (0,)
    assert "none says it" in checked.sentences[1].problem
    assert not checked.supported


def test_plain_text_can_be_a_source() -> None:
    checked = verify("The hand horn was sounded for nine hours.", [KEEPER, FOG])
    assert checked.supported
    assert (checked.citations[0].quote, checked.citations[0].boxes) == (FOG, ())
    assert checked.citations[0].passage == 1


@pytest.mark.parametrize(
    ("answer", "statuses"),
    [
        ("Ann Lee has kept the lamp since 1902 [1].", ["supported"]),
        ("Ann Lee has kept the lamp since 1902. [1]", ["supported"]),
        ("Ann Lee has kept the lamp since 1902 [2].", ["unsupported"]),
        ("Ann Lee has kept the lamp since 1902 [1, 2].", ["supported"]),
        ("Ann Lee has kept the lamp since 1912 [1].", ["unsupported"]),
        ("Ann Lee has not kept the lamp since 1902 [1].", ["unsupported"]),
        ("- Ann Lee has kept the lamp since 1902 [1]\n- The horn is red [2]", ["supported", "un"]),
    ],
)
def test_a_mark_names_the_only_source_that_counts(answer: str, statuses: list[str]) -> None:
    checked = verify(answer, chunk_document(DOCUMENT))
    found = [sentence.status for sentence in checked.sentences]
    assert [status[: len(s)] for status, s in zip(found, statuses, strict=True)] == statuses


def test_spans_are_those_of_the_answer_with_its_marks() -> None:
    answer = (
        "Ann Lee has kept the lamp since 1902 [1]. The hand horn is new. [2]\n\nIt is [x]. Yes."
    )
    checked = verify(answer, chunk_document(DOCUMENT))
    spans = [sentence.span for sentence in checked.sentences]
    assert [answer[slice(*span)] for span in spans if span] == [
        "Ann Lee has kept the lamp since 1902 [1].",
        "The hand horn is new. [2]",
        "It is [x].",
        "Yes.",
    ]
    assert [sentence.cited for sentence in checked.sentences] == [(0,), (1,), (), ()]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("Has Ann Lee kept the lamp since 1902?", "supported"),
        ("Does the harbour office buy oil?", "unsupported"),
        ("", "unsupported"),
    ],
)
def test_a_yes_is_checked_with_its_question(question: str, status: str) -> None:
    (sentence,) = verify("Yes.", [KEEPER], question=question).sentences
    assert sentence.status == status


def test_a_mark_of_a_source_that_is_not_there_cites_nothing() -> None:
    checked = verify("Ann Lee has kept the lamp since 1902 [7].", [KEEPER])
    assert checked.sentences[0].cited == ()


def test_an_answer_without_words_is_not_supported() -> None:
    for answer in ("", "...", "---\n\n| --- |"):
        checked = verify(answer, [KEEPER])
        assert (checked.sentences, checked.supported) == ((), False)


def test_without_sources_nothing_is_supported() -> None:
    assert [s.status for s in verify(KEEPER, []).sentences] == ["unsupported"]


def test_a_source_of_another_kind_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"source 2 cannot be a dict.*integrations"):
        verify(KEEPER, [KEEPER, {"text": KEEPER}])  # type: ignore[list-item]
    for wrong in (None, 5, object()):
        with pytest.raises(ConfigurationError, match="sources cannot be a "):
            verify(KEEPER, wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="answer cannot be a list"):
        verify([KEEPER], [KEEPER])  # type: ignore[arg-type]


def test_invisible_characters_hide_no_other_number() -> None:
    checked = verify("Ann Lee has kept the lamp since 19\u200b12.", [KEEPER])
    assert [sentence.status for sentence in checked.sentences] == ["unsupported"]


def test_many_marks_are_read_in_linear_time() -> None:
    begin = time.thread_time()
    checked = verify(f"{KEEPER[:-1]} {'[1]' * 20_000}.", [KEEPER])
    assert checked.supported
    assert time.thread_time() - begin < 5
