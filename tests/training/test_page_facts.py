"""The facts of olmOCR-bench: which texts have them.

Fields and kinds are those of ``olmocr/bench/tests.py`` and ``olmocr/bench/sample_data/dataset.jsonl``
of allenai/olmocr (commit f7cfe4c); what each kind demands is in its ``olmocr/bench/README.md``.
"""

from __future__ import annotations

from typing import Any

import pytest

from deepseek_ocr_rag.errors import UnusableLineError
from deepseek_ocr_rag.training.judging.page_facts import (
    FIELDS,
    check_fact,
    checked_fact,
    near_places,
    normal_text,
)
from deepseek_ocr_rag.training.judging.table_neighbours import tables_in

PAGE = """# Results

Net sales **rose** by 12% – more than “expected”.

<table><thead><tr><th></th><th colspan="2">2024</th></tr></thead><tr><td>Quarter</td><td>Q1</td>
<td>Q2</td></tr><tr><td>Research and development</td><td>2,532</td><td>1,903</td></tr></table>

The end.[^1] Euler wrote \\(e^{i\\pi} + 1 = 0\\) and \\[\\int_0^1 3x^2 \\, dx\\]
"""


def fact(kind: str, /, **fields: Any) -> dict[str, Any]:
    return checked_fact({"pdf": "a.pdf", "page": 1, "id": "a", "type": kind, **fields})


def holds(kind: str, page: str = PAGE, /, **fields: Any) -> bool:
    return check_fact(fact(kind, **fields), page)


def test_text_is_found_whatever_its_quotes_dashes_and_bold_letters() -> None:
    assert holds("present", text='Net sales rose by 12% - more than "expected".')
    assert not holds("absent", text="Net sales rose by 12%")
    assert not holds("present", text="Net sales fell by 12%")
    assert holds("present", text="NET SALES ROSE", case_sensitive=False)
    assert not holds("present", text="NET SALES ROSE")
    assert normal_text("e\u0301 <i>a</i><br>b") == "é a b"


def test_as_many_letters_may_differ_as_the_fact_says() -> None:
    assert holds("present", text="Net salez rose by 12%", max_diffs=1)
    assert not holds("present", text="Net zalez rose by 13%", max_diffs=1)


def test_a_header_is_looked_for_at_the_edges_of_the_page() -> None:
    assert holds("absent", text="Net sales", first_n=9)
    assert not holds("absent", text="Results", first_n=9)
    assert not holds("absent", text="dx", last_n=6)


def test_a_page_with_less_text_than_the_fact_does_not_have_it() -> None:
    assert not holds("present", "N", text="Net sales")
    assert not holds("present", "", text="Net sales")


def test_order_is_that_of_any_two_places() -> None:
    assert holds("order", before="Results", after="The end")
    assert not holds("order", before="The end", after="Results")
    assert holds("order", "b a b", before="a", after="b")
    assert holds("order", "b a b", before="b", after="a")
    assert not holds("order", before="Results", after="nowhere")
    assert holds("order", before="Rezults", after="The ent", max_diffs=1)
    assert not holds("order", before="The ent", after="Rezults", max_diffs=1)


def test_near_places_are_the_ends_of_what_is_alike() -> None:
    assert list(near_places("abc", "abc abd", 0)) == [3]
    assert 7 in list(near_places("abc", "abc abd", 1))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cell": "2,532", "right": "1,903"}, True),
        ({"cell": "2,532", "left": "1,903"}, False),
        ({"cell": "2,532", "up": "Q1"}, True),
        ({"cell": "2,532", "up": "Q2"}, False),
        ({"cell": "Q1", "down": "2,532"}, True),
        ({"cell": "1,903", "top_heading": "2024"}, True),  # it spans both quarters
        ({"cell": "1,903", "top_heading": "Q2"}, False),  # in the body, so no header
        ({"cell": "1,903", "left_heading": "Research and development"}, True),
        ({"cell": "1,903", "left_heading": "2,532"}, False),
        ({"cell": "9,999"}, False),
    ],
)
def test_cells_have_their_neighbours_and_headings(fields: dict[str, str], expected: bool) -> None:
    assert holds("table", **fields) == expected


def test_tables_in_markdown_count_too() -> None:
    text = "| a | b |\n| --- | :-: |\n| 11 | 22 |\n\nno | table"
    assert len(list(tables_in(text))) == 1
    assert holds("table", text, cell="22", left="11", top_heading="b")
    assert not holds("table", "22 without a table", cell="22")


def test_a_span_larger_than_any_page_does_no_harm() -> None:
    row = '<td colspan="1000" rowspan="65534">a</td>' * 50
    (grid,) = tables_in(f"<table>{f'<tr>{row}</tr>' * 50}</table>")
    assert len(grid.places) <= 102_500


def test_formulas_are_compared_without_what_only_changes_their_looks() -> None:
    assert holds("math", math="e^{i \\pi}+1=0")
    assert holds("math", math="3x^{2}")  # a part of one on the page
    assert not holds("math", math="3x^{3}")
    assert not holds("math", "3x^2 without marks", math="3x^2")
    assert holds("math", "$$\\mathbf{E} = \\left( 1 \\right)$$ costs $5", math="E = (1)")


def test_a_page_is_neither_empty_nor_a_loop() -> None:
    assert holds("baseline")
    assert not holds("baseline", " - ")
    assert not holds("baseline", "It is " + "so " * 40)
    assert not holds("baseline", "漢字")
    assert holds("baseline", "漢字", check_disallowed_characters=False)
    assert holds("baseline", "12", max_length=10)  # a page that is blank
    assert not holds("baseline", PAGE, max_length=10)


def test_formats_and_footnotes_are_checked() -> None:
    assert holds("format", text="Results", format="heading")
    assert not holds("format", text="Net sales", format="heading")
    assert holds("format", text="rose", format="bold")
    assert not holds("format", text="rose", format="italic")
    assert holds("format", "a *little* more", text="little", format="italic")
    assert holds("footnote", marker="1", appears_before_marker="The end.")
    assert holds("footnote", marker="1", appears_after_marker="Euler wrote")
    assert not holds("footnote", marker="1", appears_before_marker="Net sales")
    assert holds("footnote", "so<sup>2</sup>", marker="2")
    assert holds("footnote", "so¹²", marker="12")
    assert not holds("footnote", "so 2", marker="2")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a JSON object"),
        ({"type": "smell"}, "no facts of the type 'smell'"),
        ({"type": "present", "pdf": "a", "id": "a", "page": 1}, "'text' must be text"),
        ({"type": "baseline", "pdf": "a", "id": "a"}, "'page' must be"),
        ({"type": "baseline", "pdf": "a", "id": "a", "page": 1, "max_diffs": -1}, "'max_diffs'"),
        ({"type": "table", "pdf": "a", "id": "a", "page": 1, "cell": "x", "up": 3}, "'up'"),
    ],
)
def test_a_fact_that_cannot_be_checked_says_why(data: object, message: str) -> None:
    with pytest.raises(UnusableLineError, match=message):
        checked_fact(data)


def test_every_kind_can_be_checked() -> None:
    """No field of any kind makes it fail on a page without text."""
    for kind, fields in FIELDS.items():
        given = {name: "bold" if name == "format" else "x" for name in fields}
        assert holds(kind, "", **given) == (kind == "absent")
