"""Ratios and sums by name are recomputed from the line items of the statements."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.calculations.financial_terms import formulas_asked
from deepseek_ocr_rag.answering.verification.verifier import Verdict, Verifier
from deepseek_ocr_rag.retrieval.chunking import ChunkPiece
from deepseek_ocr_rag.retrieval.retriever import Passage

BALANCE = """| Balance sheet | 2024 | 2023 |
| --- | --- | --- |
| Cash and cash equivalents | 1,874 | 2,936 |
| Total current assets | 8,802 | 10,539 |
| Total assets | 15,803 | 17,504 |
| Total current liabilities | 8,979 | 10,674 |
| Total equity | 2,795 | 3,020 |"""
INCOME = """| Income | 2024 | 2023 |
| --- | --- | --- |
| Revenue | 46,298 | 51,761 |
| Gross profit | 9,912 | 11,640 |
| Operating income | 1,795 | 3,039 |
| Income before income taxes | 1,788 | 3,028 |
| Income tax expense | 370 | 574 |
| Net income | 1,419 | 2,454 |"""


def passage(text: str, number: int) -> Passage:
    piece = ChunkPiece(number, "table", (0, len(text)), 0)
    return Passage(text, "report.pdf", number, (), 1.0, (), (0, len(text)), (piece,))


def verify(claim: str, question: str) -> Verdict:
    found = [passage(BALANCE, 1), passage(INCOME, 2)]
    return Verifier(found, question).verify(claim, range(2))


TRUE = [
    ("What was the ROA in 2024?", "0.090"),
    ("What was the return on average equity in 2024?", "0.488"),
    ("What was the return on capital employed in 2024?", "0.263"),
    ("What was the effective tax rate in 2024?", "20.7%"),
    ("What was the gross profit to total assets ratio in 2024?", "0.627"),
    ("What was the working capital in 2023?", "-135"),
    ("By how much did the gross margin change from 2023 to 2024?", "1.08%"),
    ("What is invested capital in 2024, defined as total assets less cash and cash equivalents?",
     "13,929"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "answer"), TRUE)
def test_a_named_measure_is_accepted_where_the_rows_give_it(question: str, answer: str) -> None:
    verdict = verify(answer, question)
    assert verdict.supported, verdict.problem


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What was the ROA in 2024?", "0.096"),
        ("What was the return on capital employed in 2024?", "0.253"),
        ("What was the effective tax rate in 2024?", "28.7%"),
        ("What was the gross profit to total assets ratio in 2024?", "0.621"),
        ("By how much did the gross margin change from 2023 to 2024?", "3.08%"),
    ],
)
def test_a_measure_that_was_altered_is_not_accepted(question: str, answer: str) -> None:
    assert not verify(answer, question).supported


def test_its_operands_are_cited() -> None:
    quotes = [citation.quote for citation in verify("0.627", TRUE[4][0]).citations]
    assert quotes == ["| Total assets | 15,803 | 17,504 |", "| Gross profit | 9,912 | 11,640 |"]


def test_the_year_that_is_asked_for_counts() -> None:
    assert verify("0.090", "What was the ROA in 2024?").supported
    assert not verify("0.140", "What was the ROA in 2024?").supported
    assert verify("0.140", "What was the ROA in 2023?").supported


def test_the_most_specific_name_counts() -> None:
    (formula,) = formulas_asked("What is the EBITDA margin?")
    assert len(formula.numerator) == 2
    assert formula.denominator


def test_a_question_without_a_measure_names_no_formula() -> None:
    assert formulas_asked("Who keeps the lamp of Vannet Rock?") == ()


CASH = """Net income

| 2024 | 2023 | 2022 |
| --- | --- | --- |
| $ 1,419 | $ 2,454 | $ 1,980 |

| Cash flows | 2024 | 2023 | 2022 |
| --- | --- | --- | --- |
| Net cash provided by operating activities | 1,824 | 3,252 | 4,927 |
| Purchases of property and equipment | (930) | (737) | (713) |"""
DEBT = """| Balance sheet | 2024 | 2023 |
| --- | --- | --- |
| Current portion of long-term debt | 16 | 13 |
| Long-term debt | 1,160 | 1,216 |

| Income | 2024 | 2023 |
| --- | --- | --- |
| Interest expense | (35) | (25) |"""


def verify_in(text: str, claim: str, question: str) -> bool:
    return Verifier([passage(text, 1)], question).verify(claim, (0,)).supported


@pytest.mark.parametrize(("value", "expected"), [("63%", True), ("68%", False)])
def test_a_row_without_a_label_has_that_of_the_line_above(value: str, expected: bool) -> None:
    # (1,824 - 930) / 1,419
    claim = f"The FCF conversion was {value} in 2024."
    assert verify_in(CASH, claim, "What was the free cash flow conversion in 2024?") is expected


@pytest.mark.parametrize(("value", "expected"), [("2.91%", True), ("2.98%", False)])
def test_total_debt_may_stand_in_two_rows(value: str, expected: bool) -> None:
    # 35 / ((1,160 + 16 + 1,216 + 13) / 2)
    question = "What is interest expense to average total debt in 2024?"
    assert verify_in(DEBT, value, question) is expected


@pytest.mark.parametrize(("drop", "expected"), [("2.0%", True), ("1.9%", False), ("2.1%", False)])
def test_a_difference_of_claimed_numbers_is_that_of_the_rounded_ones(
    drop: str, expected: bool
) -> None:
    claim = f"The operating margin fell from 5.9% in 2023 to 3.9% in 2024, a drop of {drop}."
    found = [passage(BALANCE, 1), passage(INCOME, 2)]
    verdict = Verifier(found, "Did the operating margin improve in 2024?").verify(claim, range(2))
    assert verdict.supported is expected
