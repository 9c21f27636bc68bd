"""Somebody else's answer is checked sentence by sentence against what it was written from."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import pytest

from deepseek_ocr_rag import OcrDocument, Reader, Retriever, chunk_document, verify
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import page_records, split_records
from deepseek_ocr_rag.text.sentences import sentence_spans

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
    assert "no source says it" in checked.sentences[1].problem
    assert not checked.supported


@pytest.mark.parametrize(
    "sentence",
    [
        "Two are shown in the museum at Corrie Head, one went to the school of navigation, and three "
        "wait in the store at Tarn Point as spares for the festival in August.",
        "Those payments were made by mail or by private express mail.\nd. On April 17, 2015, the bank's "
        "records revealed check number 00155602, dated May 14, 2014, payable to the First Bank, in "
        "the amount",
    ],
)
def test_a_sentence_copied_from_its_source_is_supported(sentence: str) -> None:
    """Though its parts, each with a figure, share most of their words with each other."""
    checked = verify(f"{sentence} [1]", [sentence])
    assert [each.status for each in checked.sentences] == ["supported"]
    changed = sentence.replace("three", "four").replace("May 14", "May 15")
    assert not verify(f"{changed} [1]", [sentence]).supported


def test_every_sentence_of_the_sample_is_supported_by_its_own_chunk(sample_pdf: Path) -> None:
    with Reader("lite") as reader, warnings.catch_warnings():
        warnings.simplefilter("ignore", LiteBackendWarning)
        document = reader.read(sample_pdf, pages="1,3")  # the page between them is a scan
    chunks = chunk_document(document)
    sentences = [
        (chunk.text[slice(*span)], chunk) for chunk in chunks for span in sentence_spans(chunk.text)
    ]
    whole = [(text, chunk) for text, chunk in sentences if text[0].isupper() and text[-1] == "."]
    assert len(whole) > 40
    for text, chunk in whole:
        checked = verify(text, [chunk])
        assert checked.supported, text
        assert all(citation.boxes for citation in checked.citations), text


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


def filler(count: int, word: str = "harbour") -> str:
    return " ".join(
        f"The {word} office bought {n} barrels of oil in that week." for n in range(count)
    )


def test_what_is_not_compared_in_time_is_unchecked_and_not_supported() -> None:
    """One sentence with hundreds of numbers takes minutes by itself, so it is left within."""
    numbers = " and ".join(map(str, range(10, 260)))
    table = "\n".join(("| Ward | Beds | Staff |", "| --- | --- | --- |", *ROWS))
    begin = time.monotonic()
    checked = verify(
        f"{KEEPER} The total was {numbers}. {FOG} This is not in the documents.",
        [KEEPER, FOG, table],
        max_seconds=1.0,
    )
    assert time.monotonic() - begin < 5
    assert [each.status for each in checked.sentences] == [
        "supported",
        "unchecked",
        "unchecked",
        "absent",
    ]
    assert "time for checking ran out" in checked.unchecked[0].problem
    assert checked.citations
    assert not checked.supported
    assert checked.unsupported == ()
    assert [each["status"] for each in checked.to_dict()["sentences"]][1] == "unchecked"
    assert "unchecked=2" in repr(checked)
    assert "Not checked: The total was" in checked._repr_html_()


ROWS = [f"| Ward {n} | {n} | {n + 1} |" for n in range(200)]


def test_a_sentence_too_long_to_compare_is_unchecked() -> None:
    checked = verify(f"{KEEPER[:-1]} {'and the lamp ' * 200}.", [KEEPER])
    assert [each.status for each in checked.sentences] == ["unchecked"]
    assert not checked.supported


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_a_time_that_is_not_positive_is_refused(wrong: float) -> None:
    with pytest.raises(ConfigurationError, match="max_seconds"):
        verify(KEEPER, [KEEPER], max_seconds=wrong)


def test_any_time_can_be_given() -> None:
    assert verify(KEEPER, [KEEPER], max_seconds=None).supported


@pytest.mark.parametrize("cited", ["", " [1]"])
def test_a_long_source_takes_time_by_its_length_not_for_each_sentence(cited: str) -> None:
    """It is split and indexed once; a sentence is compared with the parts that may say it."""
    source = f"{filler(1000)}\n\n{KEEPER} {filler(1000, 'county')}"
    verify(KEEPER, [KEEPER])  # word lists are loaded
    begin = time.thread_time()
    verify(f"It cost 40 pounds{cited}.", [source])
    once = time.thread_time() - begin
    answer = f"Ann Lee has kept the lamp since 1902{cited}. She has kept it since 1912{cited}. "
    begin = time.thread_time()
    checked = verify(answer * 20, [source], max_seconds=None)
    took = time.thread_time() - begin
    assert [each.status for each in checked.sentences[:2]] == ["supported", "unsupported"]
    assert [checked.citations[index].quote for index in checked.sentences[0].citations] == [KEEPER]
    assert took < 3 * once + 2


def test_many_sources_of_one_page_are_read_once_each() -> None:
    """The line of years above a passage may be in any passage before it on its page."""
    lines = [f"Hive {n} gave {n} kg of honey to its keeper in the dry summer." for n in range(400)]
    text = "\n\n".join(lines)
    blocks, start = [], 0
    for line in lines:
        blocks.append(Block("text", line, (BOXES[0],), (start, start + len(line))))
        start += len(line) + 2
    document = OcrDocument("hives.pdf", (Page(1, text, tuple(blocks)),), 1)
    passages = chunk_document(document, max_tokens=40)
    assert len(passages) > 100
    begin = time.thread_time()
    assert verify("Hive 399 gave 399 kg of honey.", passages).supported
    assert time.thread_time() - begin < 4


@pytest.mark.parametrize(
    "part",
    [
        "1,",
        "1 May 2020 ",
        "1 ",
        "a",
        "| a ",
        "| a | 1 |\n",
        "# a\n",
        "2019 2020\n",
        "A. ",
        "灯很旧。",
    ],
)
def test_a_hostile_source_is_read_in_linear_time_and_ends_in_time(part: str) -> None:
    """Each is one sentence, or thousands; a list of numbers took the square of its length."""
    source = part * (60_000 // len(part))
    begin = time.thread_time()
    (sentence,) = verify("The lamp is old in 2021.", [source], max_seconds=2.0).sentences
    assert sentence.status in ("unsupported", "unchecked")
    assert time.thread_time() - begin < 4


def test_letters_that_a_pattern_takes_for_an_i_end_no_comparison() -> None:
    source = "On 3 APRİL 2020 the port sold for 5 MİLLİON euros. It ıs 7 feet wıde."
    (found,) = verify("The port sold for 5 MİLLİON euros on 3 APRİL 2020.", source).sentences
    assert found.status == "supported"
