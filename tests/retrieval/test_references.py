"""Places named in questions, by the words that people use for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.retrieval.references import (
    Reference,
    caption_reference,
    page_references,
    references_in,
)


def named(question: str) -> set[tuple[str, str]]:
    return {(reference.kind, reference.label) for reference in references_in(question)}


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("What is on page 14?", {"14"}),
        ("the fax number on page fourteen", {"14"}),
        ("in the page two?", {"2"}),
        ("pages 26 and 27", {"26", "27"}),
        ("pp. 3-5", {"3", "4", "5"}),
        ("pages 1, 2 & 9", {"1", "2", "9"}),
        ("the preface on page iv", {"iv"}),
        ("Who signed the first page?", {"first"}),
        ("What is on the cover?", {"first"}),
        ("the governor on the last page", {"last"}),
        ("Was steht auf Seite 3?", {"3"}),
        ("Seiten 3 bis 5", {"3", "4", "5"}),
        ("la dernière page", {"last"}),
        ("第14页写了什么", {"14"}),
        ("14ページ", {"14"}),
    ],
)
def test_pages_are_understood(question: str, labels: set[str]) -> None:
    assert named(question) == {("page", label) for label in labels}


@pytest.mark.parametrize(
    "question",
    [
        "How many pages does it have?",
        "Which page is it on?",
        "On which pages can one find it?",
        "the pager 5",
        "Give me 14 of them.",
        "",
    ],
)
def test_other_numbers_and_pages_are_not_references(question: str) -> None:
    assert named(question) == set()


def test_of_a_very_long_range_only_the_ends_count() -> None:
    assert named("pages 1-900") == {("page", "1"), ("page", "900")}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What does Figure 3.1 show?", {("figure", "3.1")}),
        ("Fig. 4 and Table 2-1", {("figure", "4"), ("table", "2.1")}),
        ("Abb. 3 zeigt", {("figure", "3")}),
        ("Tabelle 7", {("table", "7")}),
        ("图3和表2", {("figure", "3"), ("table", "2")}),
        ("a stable 2 percent", set()),
        ("the figure of 3 million", set()),
    ],
)
def test_figures_and_tables_are_understood(question: str, expected: set[tuple[str, str]]) -> None:
    assert named(question) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("**Table 2:** Losses", Reference("table", "2")),
        ("Fig. 3. The tower.", Reference("figure", "3")),
        ("图1 灯塔", Reference("figure", "1")),
        ("<center>Figure 1: The lamp </center>", Reference("figure", "1")),
        ("Table of contents", None),
        ("As Table 2 says", None),
        ("", None),
    ],
)
def test_a_caption_names_its_figure_or_table(caption: str, expected: Reference | None) -> None:
    assert caption_reference(caption) == expected


def test_a_page_has_its_number_its_label_and_its_place() -> None:
    labels = {r.label for r in page_references(1, "IV", last=True)}
    assert labels == {"1", "iv", "first", "last"}
    assert {r.label for r in page_references(5, None, last=False)} == {"5"}


@given(st.text(max_size=200))
def test_any_question_can_be_read(question: str) -> None:
    for reference in references_in(question):
        assert reference.label
