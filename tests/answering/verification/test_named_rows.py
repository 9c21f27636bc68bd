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
