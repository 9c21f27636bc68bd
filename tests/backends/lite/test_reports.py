"""Small PDFs from public bug reports, each with its right value; they are in ``../shared``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.backends.lite.backend import LiteBackend

REPORTS = Path(__file__).resolve().parents[4] / "shared" / "reports"

TRUE, FALSE = "☑◉", "☐◯"

pytestmark = [
    pytest.mark.skipif(not REPORTS.is_dir(), reason="no ../shared/reports here"),
    pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.lite.backend.LiteBackendWarning"),
]


@pytest.fixture(scope="module")
def reader():
    with Reader(LiteBackend(), cache=False) as made:
        yield made


def joined(text: str) -> str:
    return " ".join(text.split())


def read(reader: Reader, name: str) -> tuple[OcrDocument, dict]:
    expected = json.loads((REPORTS / f"{name}.expected.json").read_text("utf-8"))["expected"]
    return reader.read(REPORTS / f"{name}.pdf"), expected


@pytest.mark.parametrize(
    "name",
    ["pp_scotus-transcript-p1", "r_sci_p1", "s_po1373_ocg", "s_mk1105_shift", "s_pp1351_ligzero"],
)
def test_the_text_says_what_the_page_shows(reader: Reader, name: str) -> None:
    document, expected = read(reader, name)
    text = joined(document.to_markdown())
    assert [part for part in expected["must_contain"] if part not in text] == []
    assert [part for part in expected.get("must_not_contain", ()) if part in text] == []


@pytest.mark.parametrize("name", ["s_mu5124_wm", "s_wm45"])
def test_a_watermark_does_not_interrupt_the_text(reader: Reader, name: str) -> None:
    document, expected = read(reader, name)
    assert joined(document.to_markdown()).startswith(expected["must_start_with"])


def test_mirrored_pages_are_read_from_the_top(reader: Reader) -> None:
    document, expected = read(reader, "pp_issue-848")
    for number in expected["pages"]:
        page = document.pages[number - 1]
        assert joined(page.markdown).startswith(expected["must_start_with"])


def test_lines_of_a_font_with_an_absurd_ascent_are_not_mixed(reader: Reader) -> None:
    document, expected = read(reader, "s_mu2979_ascent")
    text = joined(document.to_markdown())
    first, second = (text.index(part) for part in expected["paragraphs_in_order"])
    assert first < second


def test_hidden_text_is_left_out_with_a_warning(reader: Reader) -> None:
    document, expected = read(reader, "s_dl4053_hidden")
    text = joined(document.to_markdown())
    assert all(part in text for part in expected["visible"])
    assert not any(part in text for part in expected["must_not_contain_or_must_be_flagged"])
    assert "cannot see" in document.pages[0].warnings[0]


def test_struck_text_is_struck(reader: Reader) -> None:
    document, expected = read(reader, "s_dl2316_strike")
    text = joined(document.to_markdown())
    assert all(part in text for part in expected["markdown_like"])


def test_code_keeps_its_lines_and_indents(reader: Reader) -> None:
    document, expected = read(reader, "s_pi526_code")
    (code,) = [block for block in document.pages[0].blocks if block.kind == "code"]
    assert code.text == f"```\n{expected['code']}\n```"


def test_ticked_boxes_differ_from_empty_ones(reader: Reader) -> None:
    document, _ = read(reader, "pj_annotation-button-widget")
    lines = [line for line in document.to_markdown().split("\n") if line]
    assert "☑ Check box, checked" in lines
    assert "☐ Check box, unchecked" in lines
    assert sum(line[0] in TRUE for line in lines) == 2
    assert all(line[0] in TRUE + FALSE for line in lines)


@pytest.mark.parametrize("name", ["pj_xfa14315", "s_mk1091_imgtext", "pj_scan-bad"])
def test_text_that_could_not_be_read_is_reported(reader: Reader, name: str) -> None:
    document, _ = read(reader, name)
    words = {"pj_xfa14315": "XFA", "s_mk1091_imgtext": "pictures", "pj_scan-bad": "no text"}
    assert any(words[name] in warning for warning in document.pages[0].warnings)


def cells(document: OcrDocument) -> list[list[str]]:
    return [
        [joined(cell.text) for cell in row]
        for page in document.pages
        for block in page.blocks
        if block.table is not None
        for row in block.table.rows
    ]


def test_records_over_two_lines_are_rows_of_their_own(reader: Reader) -> None:
    document, expected = read(reader, "pp_senate-expenditures")
    rows = cells(document)
    assert expected["rows_as_rows"][1] in rows
    first = next(row for row in rows if row[0] == "DHAW20190001")
    assert first[:5] == expected["rows_as_rows"][0][:5]
    assert first[5].startswith("STAFF TRANSPORTATION")
    assert first[6] == "920.68"
    assert not any(row[0].count("DHAW") > 1 for row in rows)


def test_headings_between_tables_are_not_rows(reader: Reader) -> None:
    document, expected = read(reader, "pp_issue-466-example")
    tables = [b for page in document.pages for b in page.blocks if b.table is not None]
    assert len(tables) == expected["tables"]
    found = {text for row in cells(document) for text in row}
    assert found.isdisjoint(expected["not_in_a_table"])


def test_rows_between_dotted_lines_are_rows(reader: Reader) -> None:
    document, expected = read(reader, "mu_dotted-gridlines")
    rows = [[text for text in row if text] for row in cells(document)]
    for wanted in expected["rows_as_rows"]:
        # The count of municipalities, always 1, is printed in white on white.
        seen = [text for i, text in enumerate(wanted) if text and not (i == 1 and text == "1")]
        assert seen in rows
