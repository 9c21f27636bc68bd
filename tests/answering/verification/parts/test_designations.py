"""A letter or a number behind a word tells things of a kind apart: "Probe A", "Type II"."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.answering.verification.parts.designations import (
    designations,
    numbered_words,
)
from deepseek_ocr_rag.document import OcrDocument
from deepseek_ocr_rag.grammar import parse_document

KINDS = [
    ("Probe", "Probe A", "Probe B"),
    ("Table", "Table A", "Table B"),
    ("Model", "Model 3", "Model 5"),
    ("Quarter", "Q1", "Q2"),
    ("Type", "Type I", "Type II"),
    ("Schedule", "Schedule C", "Schedule D"),
    ("Klasse", "Klasse A", "Klasse B"),
    ("Zone", "Zone A", "Zone Y"),
]
FORMS = {
    "table": "| {kind} | Drift |\n| --- | --- |\n| {one} | 0.03 |\n| {other} | 0.05 |",
    "lines": "{one} 0.03\n\n{other} 0.05",
    "leaders": "{one} ..... 0.03\n\n{other} ..... 0.05",
    "list": "- {one}: 0.03\n- {other}: 0.05",
    "sentences": "The drift of {one} is 0.03. The drift of {other} is 0.05.",
    "sentence": "The drift of {one} is 0.03 and the drift of {other} is 0.05.",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "one", "other"), KINDS)
def test_a_figure_belongs_to_the_letter_or_number_beside_it(
    kind: str, one: str, other: str, form: str
) -> None:
    text = FORMS[form].format(kind=kind, one=one, other=other)
    document = parse_document(text, source="drift.pdf")
    question = f"What is the drift of {one}?"
    assert verify("0.03", document, question=question).supported
    assert not verify("0.05", document, question=question).supported
    assert not verify(f"The drift of {one} is 0.05.", document).supported
    assert not verify(f"The drift of {other} is 0.03.", document).supported


GRADES = "| Grade | Pay |\n| --- | --- |\n| A | 18.20 |\n| B | 21.40 |\n| C | 25.00 |"
ROOMS = "| Room | Area |\n| --- | --- |\n| 1 | 14.5 |\n| 2 | 17.2 |\n| 3 | 11.8 |"
GROUPS = "| Group | A | B |\n| --- | --- | --- |\n| Recovered | 34 | 29 |\n| Relapsed | 6 | 11 |"
TYPES = "|  | Type 1 | Type 2 |\n| --- | --- | --- |\n| Patients | 340 | 1,290 |\n| Mean age | 31 | 58 |"


@pytest.mark.parametrize(
    ("table", "true", "false"),
    [
        (GRADES, "Grade A is paid 18.20.", "Grade A is paid 21.40."),
        (GRADES, "Grade C is paid 25.00.", "Grade C is paid 18.20."),
        (ROOMS, "Room 2 has an area of 17.2.", "Room 2 has an area of 14.5."),
        (GROUPS, "In group A 34 recovered.", "In group A 29 recovered."),
        (GROUPS, "In group B 11 relapsed.", "In group B 6 relapsed."),
        (TYPES, "There were 340 patients of type 1.", "There were 1,290 patients of type 1."),
        (TYPES, "The mean age of type 2 was 58.", "The mean age of type 2 was 31."),
    ],
)
def test_a_letter_or_number_may_be_the_whole_name_of_a_row_or_column(
    table: str, true: str, false: str
) -> None:
    document = parse_document(table, source="table.pdf")
    assert verify(true, document).supported
    assert not verify(false, document).supported


PROBES: OcrDocument = parse_document(
    FORMS["table"].format(kind="Probe", one="Probe A", other="Probe B")
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Probes A and B drift by 0.03 and 0.05.", True),
        ("Probe A has a drift of 0.03 and probe B of 0.05.", True),
        ("Probe A has a drift of 0.05 and probe B of 0.03.", False),
    ],
)
def test_several_are_told_apart_in_one_sentence(claim: str, expected: bool) -> None:
    assert verify(claim, PROBES).supported is expected


def test_designations_are_found_in_enumerations_and_codes() -> None:
    found = designations("Probes A, B and C of type II had vitamin B12 in Q3.", ())
    assert [(each.word, sorted(each.marks)) for each in found] == [
        ("probe", ["a", "b", "c"]),
        ("type", ["ii"]),
        ("vitamin", ["b12"]),
        ("b", ["12"]),
        ("q", ["3"]),
    ]


@pytest.mark.parametrize(
    "text",
    ["M. Osei paid", "3 % of sales", "in May 3", "a lamp and I", "12,300 boats", "the a side"],
)
def test_initials_figures_and_days_are_no_designations(text: str) -> None:
    assert designations(text, ("may",)) == ()


def test_a_number_is_a_mark_only_of_a_word_that_has_several() -> None:
    assert numbered_words(["Model 3 costs 12", "Model 5 costs 14"]) == {"model"}
    assert numbered_words(["Boats 12", "Boats 14"]) == frozenset()
