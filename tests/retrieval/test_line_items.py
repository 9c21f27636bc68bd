"""A measure is found by the line items of a statement from which it is calculated."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.retrieval.line_items import related_items


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("What is the ROA for 2015?", {"net", "income", "total", "asset"}),
        ("What is the days payable outstanding (DPO)?", {"account", "inventory", "cost"}),
        ("What was its capex?", {"purchase", "property", "equipment"}),
        ("What is the working capital ratio?", {"current", "asset", "liability"}),
    ],
)
def test_a_measure_brings_its_line_items(question: str, items: set[str]) -> None:
    assert items <= set(related_items(question))


def test_what_the_question_says_itself_is_not_repeated() -> None:
    assert "asset" not in related_items("Return on assets, that is net income over total assets?")


@pytest.mark.parametrize("question", ["How is the roast carved?", "What does Ebitson say?", ""])
def test_other_questions_have_no_line_items(question: str) -> None:
    assert related_items(question) == []
