"""Tables: HTML of any quality to rows, Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import html
import io
import re
import time
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.tables import (
    MAX_GRID_CELLS,
    Cell,
    Table,
    decode_entities,
    parse_table,
)
from deepseek_ocr_rag.errors import ConfigurationError


def rows(text: str) -> tuple[tuple[str, ...], ...]:
    return parse_table(text).to_rows()


def test_rows_and_cells_in_their_order():
    assert rows("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>") == (
        ("a", "b"),
        ("c", "d"),
    )


def test_a_spanning_cell_fills_every_place_it_covers():
    table = parse_table(
        "<table><tr><td rowspan=2>a</td><td colspan='2'>b</td></tr>"
        "<tr><td>c</td><td>d</td></tr></table>"
    )
    assert table.has_spans
    assert table.to_rows() == (("a", "b", "b"), ("a", "c", "d"))


def test_cells_flow_around_a_rowspan_in_the_middle():
    table = (
        "<table><tr><td>1</td><td rowspan=3>x</td><td>2</td></tr>"
        "<tr><td>3</td><td>4</td></tr><tr><td>5</td></tr></table>"
    )
    assert rows(table) == (("1", "x", "2"), ("3", "x", "4"), ("5", "x", ""))


def test_a_rowspan_reaches_over_a_row_without_cells_of_its_own():
    table = (
        "<table><tr><td rowspan=2>a</td><td rowspan=2>b</td></tr><tr></tr>"
        "<tr><td>c</td><td>d</td></tr></table>"
    )
    assert rows(table) == (("a", "b"), ("a", "b"), ("c", "d"))


def test_shorter_rows_are_filled_with_empty_cells():
    assert rows("<table><tr><td>a<td>b<tr><td>c</table>") == (("a", "b"), ("c", ""))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("<table><tr><td>35.9 / 2", (("35.9 / 2",),)),
        ("<table><tr><tr><td>a</td></tr></table>", (("a",),)),
        ("<table><td>a</td><td>b</td></table>", (("a", "b"),)),
        ("<TABLE><TR><TD>a</TD></TR></TABLE>", (("a",),)),
        ("<table><tr><td>a</td>loose<td>b</td></tr></table>", (("a", "loose", "b"),)),
        ("<table>before<tr><td>a</td></tr>after</table>", (("before",), ("a",), ("after",))),
        ("<table><tr><td>a</td></tr></table>behind", (("a",), ("behind",))),
        ("<table><caption>c</caption><tr><td>a</td></tr></table>", (("c",), ("a",))),
        ("<table><tr><td>a < b & c > d</td></tr></table>", (("a < b & c > d",),)),
        ("<table><tr><td>x <fcel> y</td></tr></table>", (("x <fcel> y",),)),
        ("", ()),
        ("<table></table>", ()),
    ],
)
def test_broken_html_keeps_its_text(broken, expected):
    assert rows(broken) == expected


def test_a_table_inside_a_cell_becomes_lines_of_that_cell():
    nested = (
        "<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></tr></table>"
    )
    assert rows(nested) == (("a\nb c", "d"),)


def test_breaks_are_newlines_and_scripts_stay():
    cell = parse_table("<table><tr><td>H<sub>2</sub>O<br/>x<sup>2</sup></td></tr></table>").rows[0][
        0
    ]
    assert cell.text == "H<sub>2</sub>O\nx<sup>2</sup>"


def test_html_has_no_unclosed_sub_or_sup() -> None:
    table = Table(((Cell("y</sub>"), Cell("<sup>1"), Cell("<sub><sup>2</sub></sup>")),))
    assert table.to_html() == (
        "<table><tr><td>y&lt;/sub&gt;</td><td>&lt;sup&gt;1</td>"
        "<td>&lt;sub&gt;<sup>2&lt;/sub&gt;</sup></td></tr></table>"
    )
    assert parse_table(table.to_html()) == table


def test_header_cells_are_marked_by_th_and_thead():
    table = parse_table(
        "<table><thead><tr><td>a</td></tr></thead><tbody><tr><th>b</th><td>c</td></tr></tbody></table>"
    )
    assert [[cell.header for cell in row] for row in table.rows] == [[True], [True, False]]


def test_latex_in_cells_is_untouched():
    assert rows(r"<table><tr><td>\( \frac{a}{b} < \alpha \)</td></tr></table>") == (
        (r"\( \frac{a}{b} < \alpha \)",),
    )


def test_entities_are_decoded_once():
    assert rows("<table><tr><td>&lt;b&gt; &amp;lt; &eacute;&#39;</td></tr></table>") == (
        ("<b> &lt; é'",),
    )


@pytest.mark.parametrize("text", ["&notanentity;", "&notit;", "&amp", "&;", "&#1;", "AT&T; x"])
def test_what_is_not_an_entity_stays(text):
    assert decode_entities(text) == text


@pytest.mark.parametrize("digits", ["²", "٣", "-2", "0", "", "x", "1e3", "０２"])
def test_spans_that_are_not_positive_ascii_numbers_are_one(digits):
    table = parse_table(f'<table><tr><td colspan="{digits}">a</td></tr></table>')
    assert table.to_rows() == (("a",),)


def test_a_span_of_a_hundred_million_costs_little_memory():
    text = (
        '<table><tr><td colspan="100000000" rowspan="100000000">a</td>'
        '<td colspan="100000000">b</td></tr><tr><td>c</td></tr></table>'
    )
    assert len(text) <= 132
    tracemalloc.start()
    try:
        table = parse_table(text)
        table.to_rows(), table.to_html(), table.to_markdown(), table.to_csv()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert {"a", "b", "c"} <= {text for row in table.to_rows() for text in row}


@pytest.mark.parametrize(
    "text",
    [
        "<table>" + "<tr><td colspan=1000>x" * 20_000,
        "<table><tr><td rowspan=60000 colspan=1000>x" + "<tr></tr>" * 20_000,
        "<table><tr>" + "<td>x" * 20_000 + "<tr><td>x" * 20_000,
        "<table><tr>" + "<td rowspan=9>x<td colspan=999 rowspan=9>x" * 2_000 + "<tr><td>y" * 9_000,
    ],
    ids=["columns", "rows", "one long row", "overlaps"],
)
def test_the_grid_is_bounded_however_the_spans_add_up(text):
    table = parse_table(text)
    cells = sum(map(len, table.rows))
    assert sum(map(len, table.to_rows())) <= cells + 2 * MAX_GRID_CELLS
    assert text.count("x") <= sum(row.count("x") for row in table.to_rows())


@pytest.mark.parametrize(
    "unit", ["<td>", "<table>", "<tr>", "<td colspan=", "&amp;", "<", "<td><table>"]
)
def test_reading_takes_linear_time(unit):
    def seconds(count: int) -> float:
        best = 9.0
        for _ in range(3):
            start = time.thread_time()
            parse_table(unit * count)
            best = min(best, time.thread_time() - start)
        return best

    # Quadratic time would be 64 times as long; the margin is for a busy machine.
    assert seconds(80_000) < 30 * max(seconds(10_000), 0.002)


def test_markdown_escapes_pipes_and_newlines():
    table = Table(((Cell("a|b"), Cell("c")), (Cell("d\ne"),)))
    assert table.to_markdown() == "| a\\|b | c |\n| --- | --- |\n| d<br>e |  |"


def test_markdown_of_no_rows_is_empty():
    assert Table().to_markdown() == ""


def test_html_escapes_text_and_keeps_spans_and_scripts():
    table = Table(((Cell("a<b>&", 2), Cell("x<sup>2</sup>", header=True)),))
    assert table.to_html() == (
        '<table><tr><td colspan="2">a&lt;b&gt;&amp;</td><th>x<sup>2</sup></th></tr></table>'
    )


def test_csv_quotes_what_it_must():
    table = parse_table('<table><tr><td>a,b</td><td>say "c"</td></tr></table>')
    assert list(csv.reader(io.StringIO(table.to_csv()))) == [["a,b", 'say "c"']]


@pytest.mark.parametrize("spans", [(0, 1), (1, 0), (1001, 1), (1, 65535)])
def test_a_cell_with_an_impossible_span_is_refused(spans):
    with pytest.raises(ConfigurationError, match="cannot span"):
        Cell("a", *spans)


words = st.text(alphabet="ab|&<>;\\\n #é", max_size=6).map(
    lambda text: "\n".join(line.strip() for line in text.split("\n")).strip()
)
cells = st.builds(Cell, words, st.integers(1, 3), st.integers(1, 3), st.booleans())


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(cells, min_size=1, max_size=4), max_size=4))
def test_html_is_read_back_as_the_same_table(grid):
    table = Table(tuple(map(tuple, grid)))
    assert parse_table(table.to_html()) == table


PIECES = [
    "<table>",
    "</table>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<th>",
    "<br>",
    "<thead>",
    "</thead>",
    "<b>",
    "</b>",
    "alpha",
    "&amp;",
]
pieces = st.lists(
    st.sampled_from([*PIECES, "<td colspan=2>", '<td rowspan="3">', "x < y", " "]), max_size=40
)


@settings(deadline=None, max_examples=200)
@given(pieces)
def test_no_text_is_lost_whatever_the_order_of_tags(parts):
    text = "".join(parts)
    expected = "".join(html.unescape(re.sub(r"</?[a-z][^<>]*>", "", text)).split())
    table = parse_table(text)
    found = "".join("".join(cell.text.split()) for row in table.rows for cell in row)
    assert found == expected
    filled = Counter("".join("".join("".join(row).split()) for row in table.to_rows()))
    assert Counter(expected) <= filled


def test_csv_quotes_line_ends_of_every_kind():
    table = Table(((Cell("a\rb"), Cell("c\r\nd")), (Cell("e"), Cell("f"))))
    assert table.to_csv() == '"a\nb","c\nd"\ne,f\n'


# --- spreadsheets -------------------------------------------------------------------------


def csv_cell(text: str) -> str:
    ((cell,),) = csv.reader(io.StringIO(Table(((Cell(text),),)).to_csv()))
    return cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("-A1", "'-A1"),
        ("-1-1", "'-1-1"),
        ("-(1)", "'-(1)"),
        ("-5 EUR", "'-5 EUR"),
        ("--1", "'--1"),
        (" =1", "' =1"),
        ("\u00a0\ufeff=1", "'\u00a0\ufeff=1"),
        ("\t=1", "'\t'=1"),
        ("\tx", "'\tx"),
        ("\r=1", "'\n'=1"),
        ("\uff1dcmd", "'\uff1dcmd"),
        ("\uff20cmd", "'\uff20cmd"),
        ("\uff0bcmd", "'\uff0bcmd"),
        ("\uff0dcmd", "'\uff0dcmd"),
        ("x;=cmd", "x;'=cmd"),
        ("x\t@cmd", "x\t'@cmd"),
        ("x\n=cmd", "x\n'=cmd"),
        ('"=1', '"=1'),
        # Numbers, and text that is not a formula, stay.
        ("-1", "-1"),
        ("+1", "+1"),
        ("-1,234.50", "-1,234.50"),
        ("-1\u202f234,5", "-1\u202f234,5"),
        ("- 3 %", "- 3 %"),
        ("-.5", "-.5"),
        ("-1.5e-10", "-1.5e-10"),
        ("-$5", "-$5"),
        ("-5 €", "-5 €"),
        ("+49 30 1234567", "+49 30 1234567"),
        ("-", "-"),
        ("--", "--"),
        ("\u22125", "\u22125"),
        ("(5)", "(5)"),
        ("a=b", "a=b"),
        ("me@b.example", "me@b.example"),
        ("12-15", "12-15"),
        ("'quoted", "'quoted"),
        ("a\n-5", "a\n-5"),
        ("", ""),
        ("a\x1b[2Jb\x9b", "a\ufffd[2Jb\ufffd"),
    ],
)
def test_a_spreadsheet_runs_no_cell(text, cell):
    assert csv_cell(text) == cell


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="=+-@\uff1d \t\r\n;'\"19.,%eEaA(|!\ufeff", max_size=9))
def test_no_text_makes_a_cell_that_begins_a_formula(text):
    for part in re.split("[\\n\\t;]", csv_cell(text)):
        seen = part.strip(" \u00a0\ufeff")
        number = re.fullmatch(r"[+-][ ]?\.?[0-9][0-9., \']*([eE][+-]?[0-9]+)? ?%?", seen)
        dashes = re.fullmatch(r"[+-]+", seen)
        assert seen[:1] not in tuple("=+-@\uff1d") or number or dashes
    assert csv_cell(text)[:1] not in ("\t", "\n", "\r")
