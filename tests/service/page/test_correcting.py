"""A person corrects a block where it stands, takes it back, and exports it for training."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from running_service import finished, send
from scripted_answers import answering_service
from watched_page import WatchedPage

Open = Callable[..., WatchedPage]
OIL = '[data-page="1"] .block[data-block="1"]'
CORRECTED = "The lighthouse was built in 1871. Its lamp burns 41 litres of oil a month."


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    with answering_service(tmp_path_factory.mktemp("corrections")) as found:
        yield found


@pytest.fixture
def job(answering: tuple[httpx.Client, Path]) -> str:
    http, document = answering
    return str(finished(http, send(http, document)["id"])["id"])


@pytest.fixture
def watched(open_page: Open, answering: tuple[httpx.Client, Path], job: str) -> WatchedPage:
    http, _ = answering
    watched = open_page(f"{str(http.base_url).rstrip('/')}/#/job/{job}")
    expect(watched.page.locator('[data-page="1"] .block')).to_have_count(4)
    return watched


def edit(page: Any) -> Any:
    """The editor of the block about oil."""
    page.locator(OIL).hover()
    page.locator(f"{OIL} [data-action=correct]").click()
    expect(page.locator(f"{OIL} textarea")).to_be_focused()
    return page.locator(f"{OIL} textarea")


def correct(page: Any, text: str = CORRECTED) -> None:
    edit(page).fill(text)
    page.locator(OIL).get_by_role("button", name="Save").click()
    expect(page.locator(f"{OIL} .badge.good")).to_have_text("corrected")


def test_a_corrected_block_shows_its_text_and_says_so(
    watched: WatchedPage, answering: tuple[httpx.Client, Path], job: str
) -> None:
    page = watched.page
    correct(page)
    expect(page.locator(f"{OIL} .block-text")).to_have_text(CORRECTED)
    assert CORRECTED in answering[0].get(f"/v1/jobs/{job}/result").text
    editor = edit(page)
    expect(editor).to_have_value(CORRECTED)
    expect(page.locator(f"{OIL} q")).to_contain_text("burns 40 litres")


def test_a_correction_is_taken_back(watched: WatchedPage) -> None:
    page = watched.page
    correct(page)
    page.locator(OIL).hover()
    page.locator(f"{OIL} [data-action=undo]").click()
    expect(page.locator(f"{OIL} .block-text")).to_contain_text("burns 40 litres")
    expect(page.locator(f"{OIL} .badge.good")).to_have_count(0)


def test_an_answer_uses_the_corrected_text(watched: WatchedPage) -> None:
    page = watched.page
    correct(page)
    page.locator("#toggle-asking").click()
    expect(page.locator("#model")).to_be_enabled()
    page.locator("#model").select_option("none")
    page.locator("#question").fill("How many litres of oil does the lamp burn?")
    page.keyboard.press("Enter")
    page.locator("button.sentence-button").first.click()
    expect(page.locator(".evidence").first).to_contain_text("41 litres")
    expect(page.locator(".evidence").first).to_contain_text("corrected by hand")


def test_corrections_are_exported_for_training(watched: WatchedPage) -> None:
    page = watched.page
    correct(page)
    page.locator("details.menu summary").first.click()
    with page.expect_download() as download:
        page.locator("[data-format=corrections]").click()
    content = Path(download.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert "41 litres" in archive.read("train.jsonl").decode()
        assert len(archive.namelist()) == 2


def test_without_corrections_the_page_says_so(watched: WatchedPage) -> None:
    page = watched.page
    page.locator("details.menu summary").first.click()
    page.locator("[data-format=corrections]").click()
    expect(page.locator("#messages")).to_contain_text("Nothing is corrected")


def test_what_cannot_be_saved_stays_to_be_changed(watched: WatchedPage) -> None:
    page = watched.page
    editor = edit(page)
    page.route("**/blocks/1", lambda route: route.abort())
    editor.fill("something else")
    page.locator(OIL).get_by_role("button", name="Save").click()
    expect(page.locator(f"{OIL} .note.bad")).to_be_visible()
    expect(editor).to_have_value("something else")


def test_all_of_it_works_by_keyboard(watched: WatchedPage) -> None:
    page = watched.page
    page.locator('[data-page="1"] .block[data-block="0"]').focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(OIL)).to_be_focused()
    page.locator(f"{OIL} [data-action=copy]").wait_for()
    while not page.evaluate("document.activeElement.dataset.action === 'correct'"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("r 0 g: typed keys are text")  # the reader's keys do not hold here
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"{OIL} .block-text")).to_have_text("r 0 g: typed keys are text")
    expect(page.locator(OIL)).to_be_focused()
    page.locator(f"{OIL} [data-action=undo]").wait_for()  # also at a block that was made again
    while not page.evaluate("document.activeElement.dataset.action === 'correct'"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(f"{OIL} textarea")).to_have_count(0)
    expect(page.locator(OIL)).to_be_focused()
