"""A person asks, and sees where each sentence of the answer comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_audit import violations
from given_files import WAYS, give
from playwright.sync_api import expect
from running_service import finished, send
from scripted_answers import MODEL, answering_service
from watched_page import WatchedPage

Open = Callable[..., WatchedPage]


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    with answering_service(tmp_path_factory.mktemp("answers")) as found:
        yield found


@pytest.fixture(scope="module")
def lights(answering: tuple[httpx.Client, Path]) -> str:
    """The address of the document about lights."""
    http, document = answering
    job = finished(http, send(http, document)["id"])["id"]
    return f"{str(http.base_url).rstrip('/')}/#/job/{job}"


@pytest.fixture
def panel(open_page: Open, lights: str) -> Any:
    """The open panel of questions beside the document."""
    page = open_page(lights).page
    expect(page.locator('[data-page="1"] .block')).to_have_count(4)
    return opened(page)


def opened(page: Any, model: str = MODEL) -> Any:
    page.locator("#toggle-asking").click()
    expect(page.locator("#question")).to_be_focused()
    expect(page.locator("#model")).to_be_enabled()
    page.locator("#model").select_option(model)
    return page.locator("#asking")


def ask(panel: Any, question: str) -> Any:
    """The last answer, when it has been checked."""
    before = panel.locator(".turn").count()
    panel.locator("#question").fill(question)
    panel.locator("#question").press("Enter")
    turn = panel.locator(".turn").nth(before)
    expect(turn.locator(".answer-body")).not_to_have_attribute("aria-busy", "true")
    return turn


def test_each_sentence_says_whether_the_documents_have_it(panel: Any) -> None:
    turn = ask(panel, "mixed: what of the lighthouse and its lamp?")
    rows = turn.locator(".sentence")
    expect(rows.nth(0)).to_contain_text("In the documents")
    expect(rows.nth(1)).to_contain_text("Partly in the documents")
    expect(rows.nth(1)).to_contain_text("Found: “Anna Berg keeps the lamp”")
    expect(rows.nth(1)).to_contain_text("Why: It cites no source, and no source says it.")
    refused = turn.locator(".refused")
    expect(refused).to_contain_text("Every keeper was a trained dentist from Oslo.")
    expect(refused).to_contain_text("Why:")
    shapes = rows.locator(".shape path:first-child").evaluate_all(
        "all => all.map(each => each.getAttribute('d'))"
    )
    assert len(set(shapes)) == 3  # told apart without colour


def test_a_chosen_sentence_is_shown_on_its_page(panel: Any) -> None:
    turn = ask(panel, "Who keeps the lamp?")
    turn.locator("button.sentence-button").click()
    expect(turn.locator("blockquote")).to_have_text("Anna Berg keeps the lamp.")
    sheet = panel.page.locator('[data-page="1"] .sheet-cell')
    expect(sheet.locator(".mark.pale")).to_have_count(1)
    dark, pale = (sheet.locator(f".mark.{kind}").bounding_box() for kind in ("dark", "pale"))
    assert dark["width"] < 0.6 * pale["width"]  # one of the two sentences of the block
    turn.locator("button.sentence-button").click()
    expect(sheet.locator(".mark")).to_have_count(0)
    expect(turn.locator("blockquote")).to_be_hidden()


def test_a_document_is_dropped_and_asked_and_shows_its_evidence(
    open_page: Open, answering: tuple[httpx.Client, Path]
) -> None:
    http, document = answering
    page = open_page(str(http.base_url)).page
    give(page, document, WAYS["dropped"])
    expect(page.locator('[data-page="1"] .block')).to_have_count(4)
    for job in http.get("/v1/jobs").json()["jobs"]:
        finished(http, job["id"])  # a document is asked once all its pages are read
    turn = ask(opened(page), "Who keeps the lamp?")
    turn.locator("button.sentence-button").click()
    expect(turn.locator("blockquote")).to_have_text("Anna Berg keeps the lamp.")
    expect(page.locator('[data-page="1"] .sheet-cell .mark.dark')).to_be_visible()


def test_what_runs_over_the_end_of_a_page_is_marked_on_both(panel: Any) -> None:
    turn = ask(panel, "What became of the lens?")
    turn.locator("button.sentence-button").click()
    for page in (1, 2):
        marks = panel.page.locator(f'[data-page="{page}"] .mark.dark')
        expect(marks.first).to_be_attached()
    expect(turn.locator(".pages-cited")).to_have_text("page 1, page 2")


def test_not_in_these_documents_is_as_large_as_an_answer(panel: Any) -> None:
    turn = ask(panel, "How is the weather at the lighthouse?")
    notice = turn.locator(".absent")
    expect(notice.get_by_role("heading", name="Not in these documents")).to_be_visible()
    size = notice.locator("h4").evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
    assert size >= 15
    expect(panel.get_by_role("status").first).to_have_text("Not in these documents")


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("What is the fare to Mykines?", "Not in these documents"),
        ("How is the weather?", "Nothing was found"),
        ("Who painted the lamp yellow yesterday?", "No sentence says this in these words"),
    ],
)
def test_without_a_model_absence_is_said_only_where_it_was_found_out(
    panel: Any, question: str, heading: str
) -> None:
    panel.locator("#model").select_option("none")
    turn = ask(panel, question)
    expect(turn.locator(".absent").get_by_role("heading")).to_have_text(heading)


def test_a_row_of_a_table_is_shown_with_its_heads(panel: Any) -> None:
    panel.locator("#model").select_option("none")
    turn = ask(panel, "What does the return to Hestur cost?")
    row = "Route: Hestur · Single (EUR): 14.25 · Return (EUR): 26.80"
    expect(turn.locator(".sentence-text").first).to_have_text(row)


def test_a_turn_says_which_document_it_is_about(panel: Any) -> None:
    expect(ask(panel, "Who keeps the lamp?")).to_contain_text("About lights.pdf")
    expect(ask(panel, "And who keeps it?")).not_to_contain_text("About lights.pdf")


def test_a_follow_up_question_is_understood(panel: Any) -> None:
    ask(panel, "Who keeps the lamp?")
    turn = ask(panel, "And who keeps it?")
    expect(turn).to_contain_text("Understood as: Who keeps the lamp of the lighthouse?")
    panel.get_by_role("button", name="New conversation").click()
    expect(panel.locator(".turn")).to_have_count(0)


def test_without_a_model_passages_are_quoted(panel: Any) -> None:
    panel.locator("#model").select_option("none")
    turn = ask(panel, "Who keeps the lamp?")
    expect(turn).to_contain_text("Quoted from the documents; no model wrote this.")
    expect(turn.locator(".sentence.supported").first).to_contain_text("Anna Berg keeps the lamp.")


def test_an_answer_that_is_being_written_can_be_stopped(panel: Any) -> None:
    panel.locator("#question").fill("slow: what became of the lens?")
    panel.locator("#question").press("Enter")
    panel.get_by_role("button", name="Stop").click()
    expect(panel.locator(".turn")).to_contain_text("Stopped.")
    expect(panel.get_by_role("button", name="Ask again")).to_be_visible()


def test_several_documents_are_asked_at_once(
    open_page: Open, answering: tuple[httpx.Client, Path], lights: str
) -> None:
    http, document = answering
    finished(http, send(http, document)["id"])
    page = open_page(lights.partition("#")[0]).page
    boxes = page.locator("#jobs input[type=checkbox]")
    expect(boxes.nth(1)).to_be_visible()
    panel = opened(page)
    expect(panel).to_contain_text("Open a document, or choose some in the list")
    expect(panel.get_by_role("button", name="Ask", exact=True)).to_be_disabled()
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(panel).to_contain_text("About 2 documents")
    turn = ask(panel, "Who keeps the lamp?")
    turn.locator("button.sentence-button").first.click()
    expect(page.locator('[data-page="1"] .mark.dark').first).to_be_attached()
    assert "#/job/" in page.url


def test_all_of_it_works_by_keyboard(open_page: Open, lights: str) -> None:
    page = open_page(lights).page
    expect(page.locator('[data-page="1"] .block')).to_have_count(4)
    page.locator("#toggle-asking").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_be_enabled()
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("Who keeps the lamp?")
    page.keyboard.press("Enter")
    sentence = page.locator("button.sentence-button").first
    expect(sentence).to_be_visible()
    page.keyboard.press("Shift+Tab")
    while not sentence.evaluate("each => each === document.activeElement"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".mark.dark").first).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator("#asking")).to_be_hidden()
    expect(page.locator("#toggle-asking")).to_be_focused()


def test_a_narrow_screen_shows_the_page_that_is_chosen(open_page: Open, lights: str) -> None:
    page = open_page(lights, viewport={"width": 360, "height": 740}).page
    panel = opened(page)
    box = panel.bounding_box()
    assert (box["x"], box["width"]) == (0, 360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    turn = ask(panel, "Who keeps the lamp?")
    turn.locator("button.sentence-button").click()
    expect(panel).to_be_hidden()
    expect(page.locator(".mark.dark").first).to_be_in_viewport()


def test_asking_speaks_chinese(open_page: Open, lights: str) -> None:
    page = open_page(lights, locale="zh-CN").page
    panel = opened(page)
    turn = ask(panel, "mixed: what of the lighthouse and its lamp?")
    expect(turn).to_contain_text("部分见于文档")
    expect(turn).to_contain_text("已拒绝：文档中没有这样说")
    assert not re.search(r"asking\.", panel.inner_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_of_it_has_a_violation(open_page: Open, lights: str, scheme: str) -> None:
    page = open_page(lights, color_scheme=scheme).page
    expect(page.locator('[data-page="1"] .block')).to_have_count(4)
    panel = opened(page)
    assert violations(page) == []
    turn = ask(panel, "mixed: what of the lighthouse and its lamp?")
    turn.locator("button.sentence-button").nth(1).click()
    expect(page.locator(".mark.dark").first).to_be_attached()
    assert violations(page) == []
    panel.get_by_role("button", name="New conversation").click()
    ask(panel, "weather at the lighthouse?")
    expect(panel.locator(".absent")).to_be_visible()
    block = page.locator('[data-page="1"] .block[data-block="1"]')
    block.hover()
    block.locator("[data-action=correct]").click()
    expect(block.locator("textarea")).to_be_visible()
    assert violations(page) == []
