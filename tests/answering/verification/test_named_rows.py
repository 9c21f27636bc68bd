"""A statement that names a row of a table is checked against that row."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify

CRIMES = """| | Robbery | Burglary |
| --- | --- | --- |
| 2005 | 5,432 | 37,800 |
| 2006 | 4,921 | 35,124 |
| 2007 | 4,985 | 33,010 |
"""
AGES = """| Age | Enrollment | % |
| --- | --- | --- |
| 20-21 | 3,648,000 | 20.5 |
| 22-24 | 3,193,000 | 18.0 |
"""
RANGES = """| Species | Range impacted |
| --- | --- |
| Florida Panther | 100% |
| River Otter | 38% |
"""
CORRELATIONS = """| Differences | Greece | Spain |
| --- | --- | --- |
| Q1 2009 – Q4 2009 | 0.45 | 0.21 |
| Q4 2009 | 0.70 | 0.26 |
"""
INCOME = """Operating income by segment is as follows (in millions):

Year Ended December 31,

2018 2019

| International | (2,142) | (1,693) |
| --- | --- | --- |
| AWS | 7,296 | 9,201 |
"""
CURRENT = """| Conditions | Max | Unit |
| --- | --- | --- |
| CE high, charge done | 5 | µA |
| CE high, charging done | 3 | mA |
"""
CAPTION = """Table 3. | Reported cases in humans by country, 2007

| Country | Imported (%) | Total (n) |
| --- | --- | --- |
| Italy | 0 | 76 |
| Portugal | 0 | 74 |
"""


@pytest.mark.parametrize(
    ("source", "question", "true", "false"),
    [
        (CRIMES, "", "There were 4,985 robberies in 2007.", "There were 4,921 robberies in 2007."),
        (AGES, "", "3,193,000 were aged 22-24.", "3,648,000 were aged 22-24."),
        (
            CORRELATIONS,
            "",
            "For Spain the correlation was 0.26 in Q4 2009.",
            "For Spain the correlation was 0.21 in Q4 2009.",
        ),
        (
            RANGES,
            "Which species has 100% of its range impacted?",
            "The Florida Panther.",
            "The River Otter.",
        ),
        (
            INCOME,
            "",
            "The operating income of AWS in 2019 was 9,201 million.",
            "The operating income of AWS in 2018 was 9,201 million.",
        ),
        (CURRENT, "What is drawn when CE is high and charging is done?", "3 mA", "5 mA"),
        (
            CAPTION,
            "How many cases in humans were reported by Portugal?",
            "Portugal reported 74 cases.",
            "Portugal reported 76 cases.",
        ),
    ],
)
def test_a_figure_belongs_to_the_row_that_is_named(
    source: str, question: str, true: str, false: str
) -> None:
    assert verify(true, source, question=question).supported
    assert not verify(false, source, question=question).supported


def test_two_rows_may_be_named_for_their_own_figures() -> None:
    answer = "Robberies rose from 4,921 in 2006 to 4,985 in 2007."
    assert verify(answer, CRIMES).supported


VANS = """| Van | 2022 | 2023 |
| --- | --- | --- |
| Van A | 41.2 | 38.9 |
| Van B | 55.1 | 57.0 |
| All vans | 108.3 | 105.4 |
"""


@pytest.mark.parametrize(
    ("statement", "supported"),
    [
        ("Van B drove 1.9 thousand kilometres more in 2023 than in 2022.", True),
        ("Van B drove 2.9 thousand kilometres more in 2023 than in 2022.", False),
        ("All vans drove 2.9 thousand kilometres less in 2023 than in 2022.", True),
    ],
)
def test_a_change_of_the_total_is_not_that_of_a_named_row(statement: str, supported: bool) -> None:
    (sentence,) = verify(statement, VANS).sentences
    assert (sentence.status == "supported") is supported


DUE = """| Marketable securities | Fair value |
| --- | --- |
| Due in one year or less | 380 |
| Due after one year through five years | 13 |
| Due after five years through ten years | 15 |
| Due after ten years | 9 |
"""
ASSETS = """| Balance sheet | 2023 |
| --- | --- |
| Total current assets | 8,802 |
| Total assets | 15,803 |
"""
SHARES = """| Expense | 2022 |
| --- | --- |
| Share-based compensation expense | 2,243 |
| Tax benefit related to share-based compensation expense | 1,231 |
"""
DEBT = """| Financing | 2016 |
| --- | --- |
| Change in short-term debt | 797 |
| Repayment of debt (maturities greater than 90 days) | 992 |
"""
RECLASSIFIED = """| Count | Companies | Share of companies |
| --- | --- | --- |
| 1 reclassification | 28 | 18% |
| 4 reclassifications | 1 | 3% |
"""
RESISTANCE = """| Thermal metric | 16 pins | Unit |
| --- | --- | --- |
| RθJA Junction-to-ambient thermal resistance | 43.8 | °C/W |
| RθJC Junction-to-case thermal resistance | 81 | °C/W |
"""
REEL = """| Device | A0 (mm) | K0 (mm) |
| --- | --- | --- |
| RVAR | 3.75 | 1.15 |
"""
STUDENTS = """| Age | Enrollment | % |
| --- | --- | --- |
| Over 35 | 3,107,000 | 17.5 |
"""


@pytest.mark.parametrize(
    ("table", "question", "true", "false"),
    [
        pytest.param(DUE, "What was due after ten years?", "9", "15", id="a number in the label"),
        pytest.param(
            ASSETS, "What were the total current assets in 2023?", "8,802", "15,803", id="longer"
        ),
        pytest.param(
            SHARES,
            "What was the tax benefit related to share-based compensation expense?",
            "1,231",
            "2,243",
            id="a word that frames answers",
        ),
        pytest.param(DEBT, "What was the repayment of debt in 2016?", "992", "797", id="remark"),
        pytest.param(
            RECLASSIFIED,
            "What share of companies had 1 reclassification?",
            "18%",
            "4",
            id="a number that the answer has",
        ),
        pytest.param(
            RESISTANCE,
            "What is the junction-to-ambient thermal resistance?",
            "43.8 °C/W",
            "81 °C/W",
            id="all words but one",
        ),
        pytest.param(REEL, "What is K0 of the RVAR?", "1.15", "3.75", id="a code as head"),
        pytest.param(
            STUDENTS, "What is the enrollment over 35?", "3,107,000", "17.5", id="a sign as head"
        ),
    ],
)
def test_the_figure_of_a_neighbouring_cell_is_refused(
    table: str, question: str, true: str, false: str
) -> None:
    assert verify(true, table, question=question).supported
    assert not verify(false, table, question=question).supported


TAXES = """| Deferred tax | 2018 | 2019 |
| --- | --- | --- |
| Less valuation allowances | (4,950) | (5,754) |
| Deferred tax assets, net of valuation allowances | 3,784 | 11,157 |
"""


def test_a_line_item_may_be_introduced_by_its_sign() -> None:
    question = "How much was the valuation allowance on deferred tax assets at the end of 2019?"
    assert verify("(5,754)", TAXES, question=question).supported
    assert not verify("(4,950)", TAXES, question=question).supported


SHARES_USED = """| Per share | 2017 |
| --- | --- |
| Diluted earnings per share | 6.15 |
| Weighted-average shares used in the computation of earnings per share: | |
| Diluted | 493 |
"""


def test_a_row_says_what_the_line_above_it_says() -> None:
    question = "How many shares were used in the computation of diluted earnings per share in 2017?"
    assert verify("493", SHARES_USED, question=question).supported


def test_the_shorter_of_two_labels_is_meant_where_its_words_come_twice() -> None:
    question = "What share of the total assets are the total current assets?"
    assert verify("The total assets are 15,803.", ASSETS, question=question).supported


def test_a_sentence_of_another_year_does_not_make_up_for_the_column() -> None:
    page = (
        "| Deferred tax | 2022 | 2021 |\n| --- | --- | --- |\n| Valuation allowance | 402 | 335 |\n\n"
        "As of December 2, 2022, we maintain a valuation allowance of $402 million."
    )
    question = "What was the valuation allowance in 2021?"
    assert verify("335", page, question=question).supported
    assert not verify("402", page, question=question).supported


@pytest.mark.parametrize(
    ("question", "true", "false"),
    [
        ("What was the ratio of Van A to Van B in 2022?", "0.75", "0.68"),
        ("What was the ratio of Van A to Van B in 2022?", "0.75", "0.38"),
        ("By how much did all vans exceed Van A in 2023?", "66.5", "48.4"),
    ],
)
def test_what_is_compared_are_the_rows_that_are_named(question: str, true: str, false: str) -> None:
    assert verify(true, VANS, question=question).supported
    assert not verify(false, VANS, question=question).supported


PIECES = """| Program | Budget | Staff |
| --- | --- | --- |
| Search | 20 | 8 |
| Archive | 50 | 10 |
"""


def test_what_is_compared_are_figures_of_the_column_that_is_named() -> None:
    question = "What was the ratio of search to archive in staff?"
    assert verify("0.80", PIECES, question=question).supported
    assert not verify("0.40", PIECES, question=question).supported
