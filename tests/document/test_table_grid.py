"""The grid of a table, cell by cell: spans and their limit, inner tables, tags at the wrong place."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.document import tables
from deepseek_ocr_rag.document.tables import Cell, Table, decode_entities, parse_table


def rows(text: str) -> tuple[tuple[str, ...], ...]:
    return parse_table(f"<table>{text}</table>").to_rows()


# --- what is written --------------------------------------------------------------------------


def test_html_has_both_spans_line_breaks_and_quotes_as_they_are() -> None:
    table = Table(((Cell("a", 3, 2), Cell("b\nc")), (Cell('say "d"'),)))
    assert table.to_html() == (
        '<table><tr><td colspan="3" rowspan="2">a</td><td>b<br>c</td></tr>'
        '<tr><td>say "d"</td></tr></table>'
    )


@pytest.mark.parametrize(
    ("written", "read"), [("a&nbsp;b", "a b"), ("&semi;", ";"), ("a&amp;nbsp;b", "a&nbsp;b")]
)
def test_entities_are_read(written: str, read: str) -> None:
    assert decode_entities(written) == read


# --- spans ------------------------------------------------------------------------------------


def test_a_cell_covers_each_row_of_its_span_and_none_below() -> None:
    table = "<tr><td>a<td rowspan=4>x" + "<tr><td>b" * 3 + "<tr><td>c<td>d"
    assert rows(table) == (("a", "x"), ("b", "x"), ("b", "x"), ("b", "x"), ("c", "d"))


def test_where_cells_overlap_the_later_one_wins() -> None:
    assert rows("<tr><td>a<td rowspan=2>b<tr><td colspan=2>c") == (("a", "b"), ("c", "c"))


def test_places_that_nothing_covers_are_empty() -> None:
    table = "<tr><td>a<td>b<td rowspan=3>c<tr><td>d<tr><td>e"
    assert rows(table) == (("a", "b", "c"), ("d", "", "c"), ("e", "", "c"))


def test_empty_rows_stay_only_as_far_as_a_cell_above_reaches() -> None:
    table = "<tr></tr><tr><td rowspan=3>a</td><td>b</td></tr>" + "<tr></tr>" * 3 + "<tr><td>c"
    assert rows(table) == (("a", "b"), ("a", ""), ("a", ""), ("c", ""))


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("<td colspan=2>", Cell("", 2)),
        ("<td rowspan=2>", Cell("", 1, 2)),
        ("<th>", Cell("", header=True)),
        ("<td>", Cell("")),
    ],
)
def test_an_empty_cell_keeps_its_spans_and_whether_it_is_a_head(cell: str, read: Cell) -> None:
    ((first, *_), *_) = parse_table(f"<table><tr>{cell}</{cell[1:3]}><td>x<tr><td>y").rows
    assert first == read


# --- the limit --------------------------------------------------------------------------------


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(tables, "MAX_GRID_CELLS", request.param)


@pytest.mark.parametrize("places", [6], indirect=True)
@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("table", "read"),
    [
        ("<tr><td colspan=7>a", (("a",) * 7,)),
        ("<tr><td colspan=8>a<td>b", (("a", "b"),)),
        ("<tr><td colspan=4 rowspan=3>a<tr><td>b<tr><td>c", (("a",), ("b",), ("c",))),
        ("<tr><td colspan=4>a<td colspan=4>b<td colspan=2>c", ((*"aaaabbbbc",),)),
        (
            "<tr><td colspan=2 rowspan=3>a<td colspan=3>b<tr><td>c<tr><td>d",
            (("a", "a", "b"), ("a", "a", "c"), ("a", "a", "d")),
        ),
        ("<tr><td>a<tr><td>b<tr><td colspan=4 rowspan=9>c", ((*"a", *[""] * 3), (*"b", *[""] * 3), (*"cccc",))),
    ],
    ids=["all of it", "one too many", "as an area", "one after the other", "of both kinds", "only rows that exist"],
)  # fmt: skip
def test_spans_fill_as_many_places_as_the_limit_has(
    table: str, read: tuple[tuple[str, ...], ...]
) -> None:
    assert rows(table) == read


@pytest.mark.parametrize("places", [6], indirect=True)
@pytest.mark.usefixtures("places")
def test_gaps_before_covered_places_count() -> None:
    first = "<tr><td>a<td>b<td>b<td>b<td>b<td rowspan=2>c<td>b<td rowspan=2>d"
    assert rows(first + "<tr><td>r") == ((*"abbbbcbd",), ("r", "", "", "", "", "c", "", ""))


@pytest.mark.parametrize("places", [4], indirect=True)
@pytest.mark.usefixtures("places")
def test_covered_places_side_by_side_have_no_gap() -> None:
    first = "<tr><td>a<td rowspan=2>b<td rowspan=2>c<td>d<td rowspan=2>e"
    assert rows(first + "<tr><td>r") == ((*"abcde",), ("r", "b", "c", "", "e"))


@pytest.mark.parametrize("places", [6], indirect=True)
@pytest.mark.usefixtures("places")
def test_rows_are_made_equally_long_within_the_limit() -> None:
    short = "<tr><td>x"
    assert rows(f"<tr><td>a<td>b<td>c<td>d{short}{short}") == (
        (*"abcd",),
        ("x", "", "", ""),
        ("x", "", "", ""),
    )
    long = parse_table(f"<table>{short}<tr><td>a<td>b<td>c<td>d{short}{short}")
    assert long.to_rows() == (("x",), (*"abcd",), ("x",), ("x",))
    assert long.to_markdown() == (
        "| x |  |  |  |\n| --- | --- | --- | --- |\n| a | b | c | d |\n| x |\n| x |"
    )


# --- tags and texts at any place --------------------------------------------------------------


def test_text_before_any_tag_and_cells_without_a_table_are_read() -> None:
    assert parse_table("alone").to_rows() == (("alone",),)
    assert parse_table("<td>a<td>b").to_rows() == (("a", "b"),)


def test_line_breaks_of_the_html_are_spaces_and_spaces_around_lines_go() -> None:
    assert rows("<tr><td>a\nb <br> c<br> <td><br>Xa<br>bX<br>") == (("a b\nc", "Xa\nbX"),)


def test_a_table_in_a_table_in_a_cell_becomes_lines_of_the_cell() -> None:
    inner = "<table><tr><td>c</td><th>d</th></tr><tr><td>e</td></tr></table>"
    outer = f"<table><tr><td>b{inner}</td><td>f</td></tr></table>"
    assert rows(f"<tr><td>a{outer}</td><td>g</td></tr>") == (("a\nb\nc d\ne\nf", "g"),)


def test_a_section_ends_a_row_and_a_column_tag_does_not() -> None:
    assert rows("<tr><td>a<tbody><td>b") == (("a",), ("b",))
    assert rows("<tr><td>a</td><col><td>b</td><colgroup><td>c") == (("a", "b", "c"),)


def test_loose_text_after_a_head_is_no_head() -> None:
    ((head, loose),) = parse_table("<table><tr><th colspan=2>a</th>b</tr></table>").rows
    assert (head, loose) == (Cell("a", 2, header=True), Cell("b"))
    assert loose.header is False
