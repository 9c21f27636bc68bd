"""Which cells of a table support a statement: rows, heads, lines above, columns, units."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.citable_units import citable_units
from deepseek_ocr_rag.answering.verification.term_frequencies import TermFrequencies
from deepseek_ocr_rag.answering.verification.verifier import Verdict, Verifier
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.retrieval.chunking import chunk_document
from deepseek_ocr_rag.retrieval.retriever import Passage

STATEMENT = (
    "Lamp costs by light are as follows (in thousands):",
    "|  | Year ended | Year ended |\n| --- | --- | --- |\n|  | 2023 | 2024 |\n"
    "| Oil: |  |  |\n| Corrie Head | 1,204 | 1,377 |\n| Tarn Point | 812 | 790 |\n"
    "| Wicks: |  |  |\n| Corrie Head | 55 | 61 |\n| Tarn Point | 18 | 23 |",
    "The costs of oil at Tarn Point fell in 2024, compared to the year before, because the lamp of"
    " Tarn Point was lit later, and costs of oil at other lights rose.",
)


def passages(*texts: str, max_tokens: int = 4000) -> list[Passage]:
    markdown, blocks = "", []
    for text in texts:
        markdown += "\n\n" if markdown else ""
        kind = "table" if text.startswith("|") else "text"
        box = Box(0.1, 0.1, 0.9, 0.2)
        blocks.append(Block(kind, text, (box,), (len(markdown), len(markdown) + len(text))))
        markdown += text
    document = OcrDocument("lights.pdf", (Page(1, markdown, tuple(blocks)),), 1)
    return [Passage.of(chunk) for chunk in chunk_document(document, max_tokens=max_tokens)]


def verify(claim: str, question: str, *texts: str) -> Verdict:
    found = passages(*texts)
    return Verifier(found, question).verify(claim, range(len(found)))


@pytest.mark.parametrize(
    ("question", "true", "false"),
    [
        ("What did oil cost at Corrie Head in 2024?", "1,377", "23"),
        ("What did wicks cost at Corrie Head in 2024?", "61", "790"),
        ("What did oil cost at Tarn Point in 2023?", "812", "23"),
    ],
)
def test_a_figure_answers_to_its_row_and_the_label_that_introduces_it(
    question: str, true: str, false: str
) -> None:
    verdict = verify(true, question, *STATEMENT)
    assert verdict.supported, verdict.problem
    assert true in verdict.citations[0].quote
    assert not verify(false, question, *STATEMENT).supported


def test_a_figure_of_another_year_is_not_the_one_asked_for() -> None:
    question = "What did oil cost at Corrie Head in 2024?"
    assert verify("1,377", question, *STATEMENT).supported
    assert not verify("1,204", question, *STATEMENT).supported
    assert verify("1,204", question.replace("2024", "2023"), *STATEMENT).supported


def test_a_sentence_with_more_of_the_words_does_not_hide_the_row() -> None:
    claim = "In 2024 the oil at Tarn Point cost 790 thousand."
    assert verify(claim, "What were the costs of oil at Tarn Point in 2024?", *STATEMENT).supported


def test_the_day_in_the_head_of_a_table_is_not_a_figure_of_its_rows() -> None:
    table = "|  | December 31, 2024 |\n| --- | --- |\n| Boats | 12 |\n| Bells | 7 |"
    assert verify("12", "How many boats were there?", table).supported
    assert not verify("31", "How many boats were there?", table).supported


def test_parts_of_a_table_share_the_head_above_the_first() -> None:
    first = "| Light | 2023 | 2024 |\n| --- | --- | --- |\n| Corrie Head | 12 | 14 |"
    second = "| Oars | 31 | 33 |\n| --- | --- | --- |\n| Nets | 5 | 6 |"
    (found,) = passages(first, "Boats:", second)
    oars = next(unit for unit in citable_units(found, 0) if "Oars" in unit.text)
    assert oars.heads == ("| Light | 2023 | 2024 |",)
    assert "Boats:" in oars.above
    assert not any("Corrie" in unit.above for unit in citable_units(found, 0))


def test_a_label_and_its_figures_meet_again_across_the_names_of_the_columns() -> None:
    texts = ("Visitors by light:", "Corrie Head", "Year ended June 30,", "2023 2024", "7,267 7,033")
    found = passages(*texts)
    row = next(unit for unit in citable_units(found[0], 0) if "7,267" in unit.text)
    assert row.text.startswith("Corrie Head")
    assert verify("7,033", "How many visitors had Corrie Head?", *texts).supported


def test_a_label_that_comes_again_and_again_belongs_to_the_row_above_it() -> None:
    rows = [("Oil", "1.1"), ("Rope", "2.2"), ("Coal", "3.3")]
    body = "".join(f"\n| {name} | 900 |\n| Average price | {price} |" for name, price in rows)
    table = f"| Store | 2024 |\n| --- | --- |{body}"
    (found,) = passages(table)
    second = next(unit for unit in citable_units(found, 0) if "2.2" in unit.text)
    assert second.above.endswith("Rope")
    assert verify("2.2", "What was the average price of rope in 2024?", table).supported


@pytest.mark.parametrize("unit", ["V", "volts"])
def test_a_unit_may_be_written_as_its_symbol_or_its_name(unit: str) -> None:
    table = (
        "| Parameter | Min. | Typ. | Units |\n| --- | --- | --- | --- |\n"
        f"| Supply voltage | 12.5 | 13.0 | {unit} |"
    )
    asked = "What is the typical supply voltage?"
    assert verify("13.0 V", asked, table).supported
    assert verify("12.5 volts", "What is the minimum supply voltage?", table).supported
    assert not verify("14.0 V", asked, table).supported


def test_a_number_that_few_pages_have_says_more_than_one_of_any_page() -> None:
    table = "| Item | 2024 |\n| --- | --- |\n| Takings | 14,158 |\n| Boats | 12 |"
    pages = [("lights.pdf", f"Page {n} lists 12 boats and their takings.") for n in range(30)]
    frequencies = TermFrequencies([*pages, ("lights.pdf", table)])
    verifier = Verifier(passages(table), "How much or how many?", frequencies)
    rare, common = (verifier.verify(claim, [0]) for claim in ("14,158", "12"))
    assert rare.weight > common.weight + 1


BALANCE = (
    "January 28, 2023 January 29, 2022",
    "Assets",
    "| Cash and equivalents | 1,874 | 2,936 |\n| --- | --- | --- |\n| Receivables | 1,141 | 1,042 |",
)


@pytest.mark.parametrize("max_tokens", [32, 4000])
def test_the_line_of_years_above_a_statement_names_its_columns(max_tokens: int) -> None:
    found = passages(*BALANCE, max_tokens=max_tokens)
    verifier = Verifier(found, "What is cash and equivalents for fiscal 2023?")
    assert verifier.verify("1,874", range(len(found))).supported
    assert not verifier.verify("2,936", range(len(found))).supported


def test_a_table_that_goes_on_in_the_next_passage_is_one_table() -> None:
    rows = "".join(f"| Light {name} | {10 + at} |\n" for at, name in enumerate("ABCDEFGHIJKL"))
    found = passages(f"| Light | Boats |\n| --- | --- |\n{rows}".strip(), max_tokens=30)
    assert len(found) > 1
    verifier = Verifier(found, "How many boats had Light B?")
    assert verifier.verify("11", range(len(found))).supported
    assert not verifier.verify("20", range(len(found))).supported


def test_a_given_number_is_not_the_answer() -> None:
    table = "| Metric | RVA 16 pins |\n| --- | --- |\n| Resistance | 43.8 |\n| Capacity | 7 |"
    question = "What is the resistance with 16 pins?"
    assert verify("43.8", question, table).supported
    assert not verify("16", question, table).supported


SIDE_BY_SIDE = (
    "| Age | People | Age | People |\n| --- | --- | --- | --- |\n"
    "| 1 year | 3,269 | 41 years | 2,375 |\n| 2 years | 3,223 | 42 years | 2,325 |\n"
    "| 3 years | 3,179 | 43 years | 2,237 |\n| 4 years | 3,141 |  |  |"
)


@pytest.mark.parametrize(
    ("question", "true", "false"),
    [
        ("How many people are 42 years old?", "2,325", ("2,375", "2,237", "3,223")),
        ("How many people are 2 years old?", "3,223", ("3,269", "3,179", "2,325")),
        ("How many people are 4 years old?", "3,141", ("3,179",)),
    ],
)
def test_a_figure_of_tables_side_by_side_answers_to_the_label_left_of_it(
    question: str, true: str, false: tuple[str, ...]
) -> None:
    verdict = verify(true, question, SIDE_BY_SIDE)
    assert verdict.supported, verdict.problem
    assert true in verdict.citations[0].quote
    assert [text for text in false if verify(text, question, SIDE_BY_SIDE).supported] == []


def test_rows_of_tables_side_by_side_are_cited_once() -> None:
    claim = "There are 3,223 people of 2 years and 2,325 of 42 years."
    (citation,) = verify(claim, "How many people are 2 and 42 years old?", SIDE_BY_SIDE).citations
    assert citation.quote == "| 2 years | 3,223 | 42 years | 2,325 |"


PERIODS = (
    "|  | Three Months Ended |  | Nine Months Ended |  |\n| --- | --- | --- | --- | --- |\n"
    "|  | June 30, 2024 | June 30, 2023 | June 30, 2024 | June 30, 2023 |\n"
    "| Net sales | 35,383 | 37,472 | 122,445 | 129,850 |\n"
    "| Gross margin | 15,758 | 14,604 | 57,475 | 58,730 |"
)


def test_a_number_in_words_names_a_column() -> None:
    question = "What were net sales in the nine months ended June 30, 2024?"
    assert verify("122,445", question, PERIODS).supported
    assert not verify("35,383", question, PERIODS).supported


def test_the_line_items_of_a_measure_are_not_the_measure() -> None:
    question = "What was the gross margin for the three months ended June 30, 2023?"
    assert verify("14,604", question, PERIODS).supported
    assert not verify("37,472", question, PERIODS).supported


INCOME = (
    "|  | 2024 | 2023 |\n| --- | --- | --- |\n| Net sales | 2,071 | 2,228 |\n"
    "| Gross profit | 622 | 712 |\n| Total current assets | 800 | 760 |\n"
    "| Total current liabilities | 400 | 380 |\n| Total assets | 2,600 | 2,500 |"
)


def test_operands_that_an_answer_shows_are_of_the_rows_that_it_was_calculated_from() -> None:
    question = "What was the gross margin in 2024?"
    assert verify("The gross margin was 30.0 % (622 / 2,071).", question, INCOME).supported
    assert not verify("The gross margin was 30.0 % (712 / 2,071).", question, INCOME).supported


def test_another_ratio_of_the_statement_is_not_the_measure_that_is_named() -> None:
    question = "What was the current ratio in 2024?"
    assert verify("2.0", question, INCOME).supported
    assert not verify("3.25", question, INCOME).supported
