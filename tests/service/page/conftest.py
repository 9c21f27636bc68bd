"""A browser, and a page in it that notes what must never happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM
from drawn_report import drawn_report, recorded_report, report_pages
from running_service import finished, serving
from watched_page import PATIENCE, WatchedPage

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

USUAL = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, for one file: while it runs, no other event loop can run here."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as started:
        try:
            # As root, and in containers, Chromium has no sandbox of its own.
            found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"this chromium does not start here: {str(error)[-300:]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def usual_page(browser: Any) -> Iterator[WatchedPage]:
    """The page that most tests share: to start one takes longer than they do."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    watched = WatchedPage(browser.new_context(**USUAL))
    yield watched
    watched.context.close()


@pytest.fixture
def open_page(browser: Any, usual_page: WatchedPage) -> Iterator[Callable[..., WatchedPage]]:
    """Opens an address; with options of a context, in one of its own.

    At the end, nothing forbidden may have happened.
    """
    opened: list[WatchedPage] = []

    def open_one(url: str, **context: Any) -> WatchedPage:
        watched = (
            WatchedPage(browser.new_context(**{**USUAL, **context})) if context else usual_page
        )
        opened.append(watched)
        watched.open(url)
        return watched

    yield open_one
    usual_page.page.goto("about:blank")
    for each in opened:
        if each is not usual_page:
            each.context.close()
        each.check()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three pages with all kinds of blocks."""
    file = tmp_path_factory.mktemp("report") / "report.pdf"
    file.write_bytes(drawn_report(report_pages()))
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service that replays the report's pages; an HTTP client with its address."""
    folder = tmp_path_factory.mktemp("service")
    backend = recorded_report(folder / "recording.jsonl", report_pages())
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue) as http,
    ):
        yield http


@pytest.fixture(scope="module")
def url(service: Any) -> str:
    """The address of the service, without a slash at the end."""
    return str(service.base_url).rstrip("/")


@pytest.fixture(scope="module")
def read_report(service: Any, report: Path) -> str:
    """The id of a job that has read the report."""
    from running_service import send

    job = finished(service, send(service, report)["id"])
    assert job["status"] == "succeeded"
    return str(job["id"])
