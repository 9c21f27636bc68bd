"""Pages and documents that were not read well are seen at a glance, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_report import drawn_report, plain_pages, problem_pages, recorded_report
from playwright.sync_api import expect
from reportlab.pdfgen.canvas import Canvas
from running_service import finished, send, serving
from watched_page import WatchedPage

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

Open = Callable[..., WatchedPage]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service that reads the first of five pages well."""
    folder = tmp_path_factory.mktemp("bad")
    backend = recorded_report(folder / "recording.jsonl", problem_pages())
    (folder / "five.pdf").write_bytes(drawn_report(plain_pages(5)))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue) as http,
    ):
        yield http, folder


@pytest.mark.parametrize(
    ("number", "state", "reason"),
    [
        (2, "looped", "The model began to repeat itself"),
        (3, "blank", "There is nothing to read on this page."),
        (4, "uncertain", "The model was 67 % sure of this page"),
        (5, "not read", "was recorded for this page"),
    ],
)
def test_a_bad_page_says_what_is_wrong_with_it(
    open_page: Open, five: str, number: int, state: str, reason: str
) -> None:
    page = open_page(f"{five}/page/{number}").page
    row = page.locator(f'[data-page="{number}"]')
    expect(row.locator(".page-head .badge")).to_have_text(state)
    expect(row.locator(".note")).to_contain_text(reason)
    thumb = page.get_by_role("button", name=f"Page {number}, {state}")
    expect(thumb).to_be_visible()
    issue = page.locator(".issue", has_text=f"1 {state}")
    page.locator("#goto").fill("1")
    page.locator("#goto").press("Enter")
    issue.click()
    expect(row.locator(".page-head")).to_be_in_viewport()


@pytest.fixture(scope="module")
def five(bad: Any) -> str:
    """The address of the document."""
    http, folder = bad
    job = finished(http, send(http, folder / "five.pdf")["id"])
    assert (job["status"], job["pages_failed"]) == ("partial", 1)
    return f"{http.base_url}#/job/{job['id']}"


def test_a_document_that_cannot_be_read_says_what_to_do(open_page: Open, bad: Any) -> None:
    http, folder = bad
    job = finished(http, send(http, folder / "broken.pdf")["id"])
    page = open_page(str(http.base_url)).page
    item = page.locator(f'[data-job="{job["id"]}"]')
    expect(item).to_contain_text("The PDF is damaged or truncated and cannot be opened.")
    expect(item.locator(".remedy")).to_contain_text("Get an intact copy")
    item.get_by_role("link", name="broken.pdf").click()
    expect(page.locator(".strip-trouble")).to_contain_text("damaged")


def test_a_locked_document_asks_for_its_password(open_page: Open, bad: Any) -> None:
    http, folder = bad
    canvas = Canvas(str(folder / "locked.pdf"), encrypt="sesame", invariant=1)
    canvas.drawString(72, 700, "The lamp burns forty litres of oil a month.")
    canvas.save()
    job = finished(http, send(http, folder / "locked.pdf")["id"])
    item = open_page(str(http.base_url)).page.locator(f'[data-job="{job["id"]}"]')
    expect(item.locator(".remedy")).to_have_text(
        "Enter its password under Options, and send it again."
    )
    chinese = open_page(str(http.base_url), locale="zh-CN").page
    expect(chinese.locator(f'[data-job="{job["id"]}"] .item-error')).to_contain_text("输入密码")


def test_what_the_service_is_to_be_started_with_is_shown_as_code(open_page: Open, bad: Any) -> None:
    http, folder = bad
    job = finished(http, send(http, folder / "broken.pdf")["id"])
    page = open_page(f"{http.base_url}#/job/{job['id']}").page
    expect(page.locator(".strip-trouble code")).to_have_text("dsocr serve --renderer pymupdf")
    expect(page.locator(".strip-trouble")).not_to_contain_text("`")


def test_a_job_that_is_not_there_leads_back(open_page: Open, bad: Any) -> None:
    page = open_page(f"{bad[0].base_url}#/job/nothing-like-it").page
    expect(page.get_by_role("alert")).to_contain_text("There is no such job.")
    page.get_by_role("link", name="All documents").click()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()


def test_a_file_that_is_refused_says_why_and_is_sent_again(
    open_page: Open, bad: Any, tmp_path: Path
) -> None:
    page = open_page(str(bad[0].base_url)).page
    refusal = {"status": 507, "detail": "the disk is full", "remedy": "Remove documents."}
    page.route(
        "**/v1/jobs",
        lambda route: (
            route.fulfill(status=507, json=refusal)
            if route.request.method == "POST"
            else route.fallback()
        ),
    )
    page.locator("#files").set_input_files(bad[1] / "five.pdf")
    item = page.locator(".sending")
    expect(item).to_contain_text("The disk is full.")
    expect(item).to_contain_text("Remove documents.")
    page.unroute("**/v1/jobs")
    item.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("heading", name="five.pdf")).to_be_visible()
