"""The page without a mouse, for screen readers, on small screens, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_audit import violations
from drawn_report import drawn_report, problem_pages, recorded_report, report_pages
from playwright.sync_api import expect
from running_service import finished, send, serving
from watched_page import WatchedPage

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

Open = Callable[..., WatchedPage]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A service's address, and a job with good, bad and blank pages."""
    folder = tmp_path_factory.mktemp("mixed")
    backend = recorded_report(folder / "recording.jsonl", [*report_pages(), *problem_pages()])
    (folder / "report.pdf").write_bytes(drawn_report([*report_pages(), *report_pages()] * 2))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue) as http,
    ):
        job = finished(http, send(http, folder / "report.pdf")["id"])
        finished(http, send(http, folder / "broken.pdf")["id"])
        yield str(http.base_url).rstrip("/"), job["id"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_violation(open_page: Open, mixed: tuple[str, str], scheme: str) -> None:
    url, job = mixed
    page = open_page(url, color_scheme=scheme).page
    expect(page.locator("#jobs .item")).to_have_count(2)
    page.locator(".drop-options summary").click()
    assert violations(page) == []
    page.goto(f"{url}/#/job/{job}/page/2")
    table = page.locator('[data-page="2"] .block[data-kind="table"]')
    expect(table.locator("td").first).to_be_visible()
    page.locator("#find").fill("light")
    expect(page.locator(".find-count")).to_contain_text("of")
    table.hover()
    assert violations(page) == []
    page.get_by_role("button", name="Keyboard shortcuts").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.goto(f"{url}/#/job/{job}/page/5")
    expect(page.locator('[data-page="5"] .note').first).to_be_visible()
    page.get_by_role("button", name="Text", exact=True).click()
    assert violations(page) == []
    page.goto(f"{url}/#/job/not-there")
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_it_fits_on_a_small_screen(open_page: Open, mixed: tuple[str, str], language: str) -> None:
    url, job = mixed
    small = {"width": 360, "height": 640}
    page = open_page(url, viewport=small, locale=language).page
    too_wide = "document.scrollingElement.scrollWidth > innerWidth || document.querySelector('#home').scrollWidth > innerWidth"
    expect(page.locator("#jobs .item")).to_have_count(2)
    assert (
        page.locator("html").get_attribute("lang") == {"en-GB": "en", "zh-CN": "zh-Hans"}[language]
    )
    assert not page.evaluate(too_wide)
    assert violations(page) == []
    page.goto(f"{url}/#/job/{job}/page/2")
    expect(page.locator('[data-page="2"] table')).to_be_attached()
    assert not page.evaluate(too_wide)
    inside = "each => each.every(one => one.getBoundingClientRect().right <= innerWidth + 1)"
    assert page.locator("#document button:visible, #document select:visible").evaluate_all(inside)
    assert violations(page) == []


def focused(page: Any) -> str:
    """What has the focus: its name for screen readers, or its text."""
    found: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
    )
    return found


def tab_to(page: Any, name: str, most: int = 60) -> None:
    """Press the Tab key until something has the focus; each stop must be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if name in focused(page):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"{name} is not reached with the Tab key")


def test_all_is_done_with_the_keyboard_alone(open_page: Open, mixed: tuple[str, str]) -> None:
    url, _ = mixed
    page = open_page(url).page
    expect(page.locator("#jobs .item")).to_have_count(2)
    tab_to(page, "Choose report.pdf for questions")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 chosen for questions")).to_be_visible()
    tab_to(page, "report.pdf")
    page.keyboard.press("Enter")
    blocks = page.locator('[data-page="1"] .block')
    expect(blocks).to_have_count(5)
    tab_to(page, "Title, block 1")
    expect(page.locator('[data-page="1"] .box.linked')).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(blocks.nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    assert focused(page) == "Copy Markdown"
    page.keyboard.press("Enter")
    expect(page.locator(".message")).to_have_text("Copied.")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator('[data-page="1"] .box[data-block="1"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(blocks.nth(1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#goto")).to_have_value("2")
    page.keyboard.press("g")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(page.locator("#goto")).to_have_value("7")
    page.keyboard.press("/")
    page.keyboard.type("Anna Berg")
    page.keyboard.press("Enter")
    expect(page.locator(".find-count")).to_have_text("1 of 1")
    expect(page.locator('[data-page="1"] .block.hit-now')).to_be_in_viewport()


def test_a_person_chooses_the_language_and_the_colours(
    open_page: Open, mixed: tuple[str, str]
) -> None:
    page = open_page(mixed[0], locale="en-GB").page
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="选择文件")).to_be_visible()
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    for _ in range(2):
        page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(ground) != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
