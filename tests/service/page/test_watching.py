"""A document while it is read: pages come as they are finished, whatever happens meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cuttable_line import CuttableLine
from page_server import PageServer, marked_pdf
from playwright.sync_api import expect
from running_service import send, serving
from watched_page import WatchedPage

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

Open = Callable[..., WatchedPage]

PATIENCE = 60.0


class Gate:
    """Lets as many pages be read as the test says; what waits at its end is let through."""

    def __init__(self) -> None:
        self.allowed = 0
        self.test = 0
        self.changed = threading.Condition()

    def wait(self, mark: int) -> None:
        with self.changed:
            test = self.test
            self.changed.wait_for(lambda: self.allowed or self.test != test, PATIENCE)
            self.allowed = max(0, self.allowed - 1)

    def let(self, pages: int) -> None:
        with self.changed:
            self.allowed += pages
            self.changed.notify_all()

    def start_again(self) -> None:
        with self.changed:
            self.allowed = 0
            self.test += 1
            self.changed.notify_all()


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def slow(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service that reads a page when the gate lets it."""
    folder = tmp_path_factory.mktemp("slow")
    with PageServer() as server:
        server.on_page = gate.wait
        settings = ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1)
        with (
            JobQueue(folder / "data", settings, ServiceLimits(jobs_at_once=1)) as queue,
            serving(queue) as http,
        ):
            yield http
            gate.start_again()


FIRST = itertools.count(1, 10)


@pytest.fixture
def job(slow: Any, gate: Gate, tmp_path: Path) -> Iterator[str]:
    """A new document of five pages that waits at the gate."""
    file = tmp_path / "five pages.pdf"
    file.write_bytes(marked_pdf(5, first=next(FIRST)))
    gate.start_again()
    sent = send(slow, file)["id"]
    yield sent
    slow.delete(f"/v1/jobs/{sent}", params={"remove": "true"})


def test_pages_appear_as_they_are_finished_also_after_a_reload(
    open_page: Open, slow: Any, gate: Gate, job: str
) -> None:
    page = open_page(f"{slow.base_url}#/job/{job}").page
    waiting = page.get_by_text("This page has not been read yet.")
    expect(waiting.first).to_be_visible()
    gate.let(2)
    expect(page.locator(".strip .facts")).to_contain_text("2 of 5 pages")
    expect(page.locator('[data-page="2"] .block', has_text="This is number ")).to_be_attached()
    page.reload()
    expect(page.locator('[data-page="1"] .block', has_text="This is number ")).to_be_attached()
    gate.let(3)
    expect(page.locator(".strip .badge").first).to_have_text("read")
    expect(page.locator(".strip .facts")).to_have_text("5 pages")


def test_a_connection_that_breaks_is_taken_up_where_it_was(
    open_page: Open, slow: Any, gate: Gate, job: str
) -> None:
    with CuttableLine(slow.base_url.port) as line:
        watched = open_page(f"http://127.0.0.1:{line.port}/#/job/{job}")
        page = watched.page
        gate.let(1)
        expect(page.locator(".strip .facts")).to_contain_text("1 of 5 pages")
        asked: list[str | None] = []
        page.on(
            "request",
            lambda sent: (
                sent.url.endswith("/events") and asked.append(sent.headers.get("last-event-id"))
            ),
        )
        line.cut()
        expect(page.get_by_text("Connection lost.")).to_be_visible()
        gate.let(4)
        line.mend()
        expect(page.locator(".strip .badge").first).to_have_text("read")
        expect(page.get_by_text("Connection lost.")).to_be_hidden()
        expect(page.locator(".strip .facts")).to_have_text("5 pages")
        assert set(asked) == {"1"}


def test_reading_is_cancelled_and_what_was_read_stays(
    open_page: Open, slow: Any, gate: Gate, job: str
) -> None:
    page = open_page(f"{slow.base_url}#/job/{job}").page
    gate.let(1)
    expect(page.locator(".strip .facts")).to_contain_text("1 of 5 pages")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".strip .badge").first).to_have_text("cancelled")
    expect(page.locator('[data-page="1"] .block', has_text="This is number ")).to_be_attached()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_the_list_says_where_each_document_stands(
    open_page: Open, slow: Any, gate: Gate, job: str, tmp_path: Path
) -> None:
    file = tmp_path / "next.pdf"
    file.write_bytes(marked_pdf(2))
    following = send(slow, file)["id"]
    page = open_page(str(slow.base_url)).page
    running, waiting = (page.locator(f'[data-job="{each}"]') for each in (job, following))
    expect(running).to_contain_text("reading")
    expect(waiting).to_contain_text("next in the queue")
    waiting.get_by_role("button", name="Cancel next.pdf").click()
    expect(waiting).to_contain_text("cancelled")
    waiting.get_by_role("button", name="Remove next.pdf").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(waiting).to_have_count(0)
