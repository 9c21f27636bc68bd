"""A person sends a document, watches it being read, and sees each block on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from given_files import WAYS, give
from playwright.sync_api import expect
from watched_page import WatchedPage

Open = Callable[..., WatchedPage]


@pytest.fixture
def reading(open_page: Open, url: str, read_report: str) -> WatchedPage:
    """The report as it is shown."""
    watched = open_page(f"{url}/#/job/{read_report}")
    expect(watched.page.locator('[data-page="1"] .block')).to_have_count(5)
    return watched


@pytest.mark.parametrize("way", WAYS)
def test_a_document_that_is_dropped_or_pasted_is_read_and_shown(
    open_page: Open, url: str, report: Path, way: str
) -> None:
    page = open_page(url).page
    give(page, report, WAYS[way])
    expect(page.get_by_role("heading", name="report.pdf")).to_be_visible()
    first = page.locator('[data-page="1"]')
    expect(first.get_by_text("The lighthouse was built in 1871.")).to_be_visible()
    expect(first.get_by_role("img", name="Picture of page 1")).to_be_visible()
    expect(page.locator(".strip .badge").first).to_have_text("read")


def test_a_chosen_file_stands_in_the_list(open_page: Open, url: str, report: Path) -> None:
    page = open_page(url).page
    page.locator("#files").set_input_files([report, report])
    expect(page.locator("#jobs .item", has_text="report.pdf").nth(1)).to_contain_text("3 pages")


def test_a_block_under_the_pointer_is_marked_on_both_sides(reading: WatchedPage) -> None:
    page = reading.page
    first = page.locator('[data-page="1"]')
    first.locator(".block", has_text="Anna Berg").hover()
    expect(first.locator(".linked")).to_have_count(2)
    expect(first.locator('.box[data-block="3"]')).to_have_class(re.compile("linked"))
    first.locator('.box[data-block="1"]').hover()
    expect(first.locator(".block.linked")).to_contain_text("The lighthouse was built")


def test_a_box_stands_on_the_words_that_were_read(reading: WatchedPage) -> None:
    sheet = reading.page.locator('[data-page="1"] .sheet').bounding_box()
    box = reading.page.locator('[data-page="1"] .box[data-block="0"]').bounding_box()
    assert sheet is not None
    assert box is not None
    assert (box["x"] - sheet["x"]) / sheet["width"] == pytest.approx(0.1, abs=0.01)
    assert (box["y"] - sheet["y"]) / sheet["height"] == pytest.approx(70 / 842, abs=0.01)


def test_a_formula_is_set_as_one(reading: WatchedPage) -> None:
    formula = reading.page.locator(".formula.typeset math").first
    expect(formula.locator("msup")).to_have_text("c2")
    expect(reading.page.locator(".formula.typeset").first).to_have_attribute("title", "E = m c^2")


def test_a_table_keeps_its_spans_and_copies_without_formulas(
    open_page: Open, url: str, read_report: str
) -> None:
    watched = open_page(
        f"{url}/#/job/{read_report}/page/2", permissions=["clipboard-read", "clipboard-write"]
    )
    page = watched.page
    table = page.locator('[data-page="2"] .block[data-kind="table"]')
    expect(table.locator("td[rowspan='2']")).to_have_text("Light")
    expect(table.locator("td[colspan='2']")).to_have_text("Visits")
    table.hover()
    table.get_by_role("button", name="Copy CSV").click()
    expect(page.locator(".message")).to_have_text("Copied.")
    rows = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert rows[0] == "Light,Visits,Visits"
    assert rows[-1] == "Vannet Rock,'=1+1,-12"


def test_what_is_offered_at_a_block_stays_when_the_tables_come(
    open_page: Open, url: str, read_report: str
) -> None:
    held: list[Any] = []
    page = open_page(url).page
    page.route("**/pages/2/tables", lambda route: held.append(route))
    page.evaluate(f"location.hash = '#/job/{read_report}/page/2'")
    block = page.locator('[data-page="2"] .block').first
    table = page.locator('[data-page="2"] .block[data-kind="table"]')
    block.hover()
    copy = block.get_by_role("button", name="Copy")
    expect(copy.first).to_be_visible()
    assert held
    copied = copy.first.element_handle()
    expect(table.locator("td[rowspan='2']")).to_have_count(0)
    held[0].continue_()
    expect(table.locator("td[rowspan='2']")).to_have_text("Light")
    assert copied.is_visible()


def test_a_link_leads_to_exactly_this_block(open_page: Open, url: str, read_report: str) -> None:
    page = open_page(f"{url}/#/job/{read_report}/page/3/block/3").page
    block = page.locator('[data-page="3"] .block[data-block="3"]')
    expect(block).to_be_focused()
    expect(block).to_be_in_viewport()
    expect(block).to_contain_text("31 metres high")


def test_words_are_found_on_their_pages(reading: WatchedPage) -> None:
    page = reading.page
    page.keyboard.press("Control+f")
    page.keyboard.type("THE  tower")
    expect(page.locator(".find-count")).to_have_text("1 of 3")
    page.keyboard.press("Enter")
    expect(page.locator(".find-count")).to_have_text("2 of 3")
    expect(page.locator('[data-page="3"] .box.hit-now')).to_have_count(1)
    expect(page.locator('[data-page="3"] .block.hit-now')).to_be_in_viewport()
    page.locator("#find").fill("nowhere at all")
    expect(page.locator(".find-count")).to_have_text("not found")


def test_pages_turn_and_grow_with_their_boxes(reading: WatchedPage) -> None:
    page = reading.page
    sheet = page.locator('[data-page="1"] .sheet')
    before = sheet.bounding_box()
    page.get_by_role("button", name="Rotate the pages").click()
    expect(page.locator('[data-page="1"] .paper.turned')).to_be_visible()
    turned = sheet.bounding_box()
    box = page.locator('[data-page="1"] .box[data-block="0"]').bounding_box()
    assert before is not None
    assert turned is not None
    assert box is not None
    assert before["height"] > before["width"]
    assert turned["width"] > turned["height"]
    # The title stood at the top left; a quarter clockwise it stands at the right.
    assert box["x"] > turned["x"] + 0.8 * turned["width"]
    page.get_by_label("Zoom", exact=True).select_option("2")
    expect(page.locator('[data-page="1"] .sheet')).to_have_css("width", "2245.33px")


def test_the_address_says_which_page_is_read(reading: WatchedPage, read_report: str) -> None:
    page = reading.page
    page.locator("#goto").fill("3")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/job/{read_report}/page/3$"))
    page.reload()
    expect(page.locator('[data-page="3"] .block').first).to_be_in_viewport()
    expect(page.locator("#goto")).to_have_value("3")


def test_what_was_read_can_be_downloaded(reading: WatchedPage) -> None:
    page = reading.page
    page.locator(".menu summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Markdown").click()
    assert download.value.suggested_filename == "report.pdf.md"
    assert "Anna Berg keeps the lamp" in Path(download.value.path()).read_text("utf-8")


def test_a_figure_is_cut_out_of_the_page(open_page: Open, url: str, read_report: str) -> None:
    page = open_page(f"{url}/#/job/{read_report}/page/3").page
    figure = page.locator('[data-page="3"] .figure').bounding_box()
    box = page.locator('[data-page="3"] .box[data-block="1"]').bounding_box()
    assert figure is not None
    assert box is not None
    assert figure["width"] / figure["height"] == pytest.approx(
        box["width"] / box["height"], rel=0.02
    )
