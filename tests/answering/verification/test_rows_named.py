"""A figure or a time counts for the row of a table that the statement names."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.document import OcrDocument
from deepseek_ocr_rag.grammar import parse_document

TIMETABLE = """All sailings leave from the north pier unless marked otherwise.

| Line | Island | First boat | Last boat |
| --- | --- | --- | --- |
| 4 | Lunna | 06:15 | 21:40 |
| 9 | Skarv | 07:05 | 19:20 |
| 12 | Hestur | 08:30 | 17:45 |
"""


@pytest.fixture(scope="module")
def timetable() -> OcrDocument:
    return parse_document(TIMETABLE, source="boats.pdf")


@pytest.mark.parametrize(("island", "time"), [("Lunna", "21:40"), ("Skarv", "19:20")])
def test_a_time_of_the_named_row_is_supported(
    timetable: OcrDocument, island: str, time: str
) -> None:
    (sentence,) = verify(f"The last boat to {island} leaves at {time}.", timetable).sentences
    assert sentence.status == "supported"


@pytest.mark.parametrize("time", ["21:40", "19:20"])
def test_a_time_of_another_row_is_refused(timetable: OcrDocument, time: str) -> None:
    (sentence,) = verify(f"The last boat to Hestur leaves at {time}.", timetable).sentences
    assert sentence.status == "unsupported"


CASH_FLOWS = """| Cash flows | 2018 | 2017 |
| --- | --- | --- |
| Cash flows from operating activities | | |
| Net cash provided by operating activities | 6,439 | 6,240 |
| Cash flows from investing activities | | |
| Purchases of property, plant and equipment (PP&E) | (1,577) | (1,373) |
"""


@pytest.mark.parametrize(("value", "expected"), [("1577", "supported"), ("6,439", "unsupported")])
def test_a_line_item_of_another_name_than_in_the_question_is_found(
    value: str, expected: str
) -> None:
    question = (
        "What is the 2018 capital expenditure amount? Use the details of the cash flow statement."
    )
    document = parse_document(CASH_FLOWS, source="report.pdf")
    (sentence,) = verify(f"${value}.", document, question=question).sentences
    assert sentence.status == expected


def test_a_bare_number_of_an_enumeration_is_supported() -> None:
    text = (
        "As of December 31, 2018 and 2019, we had accrued interest and penalties related to tax"
        " contingencies of $127 million and $131 million."
    )
    question = "How much accrued interest and penalties was there as of December 31, 2018?"
    document = parse_document(text, source="report.pdf")
    (sentence,) = verify("127 million", document, question=question).sentences
    assert sentence.status == "supported"
