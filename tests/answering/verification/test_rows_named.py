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
