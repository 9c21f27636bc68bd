"""A figure of a row counts for the column that the statement or its question names."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.document import OcrDocument
from deepseek_ocr_rag.grammar import parse_document

BOATS = """All sailings leave from the north pier unless marked otherwise.

| Line | Island | First boat | Last boat | Fare (EUR) |
| --- | --- | --- | --- | --- |
| 4 | Lunna | 06:15 | 21:40 | 9.50 |
| 9 | Skarv | 07:05 | 19:20 | 11.75 |
| 12 | Hestur | 08:30 | 17:45 | 14.25 |
"""

LEASES = """| (in millions) | Operating leases | Finance leases | Total |
| --- | --- | --- | --- |
| Gross lease liabilities | 31,963 | 28,875 | 60,838 |
| Present value of lease liabilities | 25,835 | 26,979 | 52,814 |
"""

GROUPED = (
    "<table><tr><th></th><th colspan='2'>Revenue</th><th colspan='2'>Headcount</th></tr>"
    "<tr><th></th><th>North</th><th>South</th><th>North</th><th>South</th></tr>"
    "<tr><td>Retail shops</td><td>410</td><td>395</td><td>62</td><td>58</td></tr>"
    "<tr><td>Depots</td><td>220</td><td>280</td><td>31</td><td>44</td></tr></table>"
)


def status(claim: str, table: str, question: str = "") -> str:
    document: OcrDocument = parse_document(table, source="plan.pdf")
    (sentence,) = verify(claim, document, question=question).sentences
    return sentence.status


@pytest.mark.parametrize(
    "claim",
    [
        "The first boat to Hestur leaves at 17:45.",
        "The last boat to Hestur leaves at 08:30.",
        "The last boat to Hestur leaves at 17:30.",
        "The fare to Hestur is 12 EUR.",
    ],
)
def test_a_figure_below_the_head_of_another_column_is_refused(claim: str) -> None:
    assert status(claim, BOATS) == "unsupported"


@pytest.mark.parametrize(
    "claim",
    [
        "The first boat to Hestur leaves at 08:30.",
        "The last boat to Hestur leaves at 17:45.",
        "The first boat to Hestur leaves at 08:30 and the last at 17:45.",
        "The boat to Hestur at 17:45 costs 14.25 EUR.",
        "Line 12 goes to Hestur, first at 08:30.",
    ],
)
def test_a_figure_below_the_named_head_is_supported(claim: str) -> None:
    assert status(claim, BOATS) == "supported"


@pytest.mark.parametrize(("time", "expected"), [("08:30", "supported"), ("17:45", "unsupported")])
def test_a_time_alone_is_checked_by_the_column_that_the_question_names(
    time: str, expected: str
) -> None:
    assert status(f"{time}.", BOATS, "When does the first boat to Hestur leave?") == expected


@pytest.mark.parametrize("fare", ["14.25 EUR", "EUR 14.25", "€14.25", "14.25 euros"])
def test_a_unit_may_stand_in_the_head_alone(fare: str) -> None:
    assert status(f"The fare to Hestur is {fare}.", BOATS) == "supported"


def test_another_unit_than_that_of_the_head_is_refused() -> None:
    assert status("The fare to Hestur is 14.25 USD.", BOATS) == "unsupported"


def test_words_of_the_row_itself_name_no_column() -> None:
    # "lease liabilities" is the row; "leases" is above two columns.
    question = "What is the present value of lease liabilities for finance leases?"
    assert status("26,979.", LEASES, question) == "supported"
    assert status("25,835.", LEASES, question) == "unsupported"


def test_a_claim_that_names_no_column_may_have_a_figure_of_any() -> None:
    assert status("The gross lease liabilities were 60,838.", LEASES) == "supported"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("The retail shops have a revenue of 395 in the south.", "supported"),
        ("The retail shops have a revenue of 62 in the north.", "unsupported"),
        ("The retail shops have a headcount of 58 in the south.", "supported"),
        ("The retail shops have a headcount of 410 in the north.", "unsupported"),
    ],
)
def test_a_head_above_several_columns_counts_for_each(claim: str, expected: str) -> None:
    assert status(claim, GROUPED) == expected


def test_a_column_without_a_head_is_not_judged() -> None:
    table = BOATS.replace("Last boat", "")
    assert status("The first boat to Hestur leaves at 17:45.", table) == "supported"


SHARES = """| (label) | 2022 (in millions, except per share data) | 2023 | 2024 |
| --- | --- | --- | --- |
| Diluted | 484 | 493 | 500 |
| Basic | 474 | 480 | 487 |
"""
PERIODS = (
    "<table><tr><td></td><td colspan='2'>Three Months Ended</td><td colspan='2'>Nine Months Ended"
    "</td></tr><tr><td></td><td>Sep 30, 2023</td><td>Oct 1, 2022</td><td>Sep 30, 2023</td>"
    "<td>Oct 1, 2022</td></tr>"
    "<tr><td>Effective tax rate</td><td>19.2 %</td><td>14.0 %</td><td>51.4 %</td><td>8.3 %</td></tr>"
    "<tr><td>Margin</td><td>4.2 %</td><td>3.1 %</td><td>5.5 %</td><td>2.2 %</td></tr></table>"
)


def test_a_note_on_the_scale_names_no_column() -> None:
    question = "How many diluted shares were used in the computation per share in 2023?"
    assert status("493.", SHARES, question) == "supported"


def test_a_column_that_another_figure_of_the_claim_explains_is_no_rival() -> None:
    claim = (
        "The effective tax rate was 19.2% for the three months ended Sep 30, 2023 "
        "(14.0% for the three months ended Oct 1, 2022)."
    )
    assert status(claim, PERIODS) == "supported"


def test_a_unit_names_no_row() -> None:
    table = """| Parameter | Minimum | Typical | Unit |
| --- | --- | --- | --- |
| Power supply | 4.0 | 5.0 | |
| Storage voltage | 0.5 | 5.5 | V |
"""
    assert status("5.0 V", table, "What is the typical power supply?") == "supported"


def test_each_figure_of_a_quotient_may_stand_in_its_own_row() -> None:
    table = """| (in millions) | 2023 | 2022 |
| --- | --- | --- |
| Services | 21,213 | 19,604 |
| Wearables | 8,284 | 8,084 |
| Total net sales | 81,797 | 82,959 |
"""
    question = "What percentage of total sales did services contribute in 2023?"
    assert status("25.93% (21,213 / 81,797)", table, question) == "supported"
    assert status("10.13% (8,284 / 81,797)", table, question) == "unsupported"


SPANNED = (
    '<table><tr><td>Fiscal Years Ended</td><td colspan="2">January 28, 2023 January 29, 2022</td>'
    "</tr><tr><td>Cash from operating activities</td><td>1,824</td><td>3,252</td></tr>"
    "<tr><td>Cash from financing activities</td><td>(1,806)</td><td>(4,297)</td></tr></table>"
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Cash from operating activities was 1,824 in fiscal 2023.", "supported"),
        ("Cash from operating activities was 1,824 in fiscal 2022.", "unsupported"),
        ("Cash from operating activities was 3,252 in fiscal 2022.", "supported"),
    ],
)
def test_a_year_of_a_head_that_spans_columns_names_one_of_them(claim: str, expected: str) -> None:
    assert status(claim, SPANNED) == expected


def test_a_claim_that_names_its_year_does_not_take_that_of_the_question() -> None:
    question = "How much was the cash from operating activities in fiscal 2023?"
    claim = "Cash from operating activities was 1,824 in fiscal 2022."
    assert status(claim, SPANNED, question) == "unsupported"


def test_a_claim_with_more_figures_than_years_may_have_those_of_the_question() -> None:
    question = "How did cash from operating activities change from 2022 to 2023?"
    claim = "Cash from operating activities fell to 1,824 in fiscal 2023 from 3,252."
    assert status(claim, SPANNED, question) == "supported"
