"""Many pages: how much memory they take, and how long the page is busy while it scrolls."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drawn_report import drawn_report, plain_pages, recorded_report
from playwright.sync_api import expect
from running_service import finished, send, serving
from watched_page import WatchedPage

from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

Open = Callable[..., WatchedPage]

PAGES = (300, pytest.param(1000, marks=pytest.mark.long))
MOST_MIB = 200
LONGEST_TASK_MS = 50
MOST_ROWS = 12

SCROLL = """
async () => {
  const scroller = document.querySelector(".pages");
  let most = 0;
  const step = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let n = 0; n <= 200; n += 1) {
    scroller.scrollTop += 400;                                     // reading quickly
    await step(16);
    most = Math.max(most, scroller.querySelectorAll(".row").length);
  }
  for (let n = 0; n <= 100; n += 1) {                              // dragging the scroll bar
    scroller.scrollTop = (n / 100) * scroller.scrollHeight;
    await step(60);
    most = Math.max(most, scroller.querySelectorAll(".row").length);
  }
  return most;
}
"""


@pytest.fixture(scope="module", params=PAGES)
def pages(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, pages: int) -> Iterator[str]:
    """The address of a document of this many pages that was read."""
    folder = tmp_path_factory.mktemp("long")
    texts = plain_pages(pages)
    backend = recorded_report(folder / "recording.jsonl", texts)
    (folder / "long.pdf").write_bytes(drawn_report(texts))
    with (
        JobQueue(folder / "data", ReaderSettings(backend=backend), ServiceLimits()) as queue,
        serving(queue) as http,
    ):
        job = send(http, folder / "long.pdf")["id"]
        while finished_pages(http, job) < pages:
            time.sleep(0.5)
        assert finished(http, job)["status"] == "succeeded"
        yield f"{http.base_url}#/job/{job}"


def finished_pages(http: Any, job: str) -> int:
    found: int = http.get(f"/v1/jobs/{job}").json()["pages_done"]
    return found


def test_many_pages_scroll_without_stutter(
    open_page: Open, long: str, pages: int, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = open_page(long, viewport={"width": 1280, "height": 800})
    page = watched.page
    expect(page.locator('[data-page="1"] .block').first).to_be_visible()
    expect(page.locator(".strip .facts")).to_have_text(f"{pages:,} pages")
    page.wait_for_timeout(1000)
    watched.context.browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    rows = page.evaluate(SCROLL)
    page.wait_for_timeout(1500)
    tasks = busy_ms(json.loads(watched.context.browser.stop_tracing()))
    session = watched.context.new_cdp_session(page)
    for _ in range(60):  # of itself the browser gives memory back when it is idle, so perhaps late
        session.send("Memory.simulatePressureNotification", {"level": "critical"})
        session.send("HeapProfiler.collectGarbage")
        if (process := private_mib(watched)) < MOST_MIB:
            break
        page.wait_for_timeout(500)
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 2**20
    with capsys.disabled():
        print(f"\n{rows} rows at most; heap {heap:.1f} MiB; renderer {process:.0f} MiB; {len(tasks)} tasks, the longest {tasks[:5]} ms")  # fmt: skip
    assert rows <= MOST_ROWS
    assert process < MOST_MIB
    assert tasks[0] < LONGEST_TASK_MS


def busy_ms(trace: dict[str, Any]) -> list[float]:
    """CPU milliseconds of each task of the page's main thread, longest first.

    By the clock, a task takes as long as other processes let it; on a busy machine that says nothing.
    """
    events = trace["traceEvents"]
    mains = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        each["tdur"] / 1000
        for each in events
        if each["name"].endswith("RunTask")
        and (each["pid"], each["tid"]) in mains
        and "tdur" in each
    ]
    assert tasks, "the browser's trace has no tasks"
    return sorted(tasks, reverse=True)


def private_mib(watched: WatchedPage) -> float:
    """Memory of the page's process that no other shares: the largest of all pages'."""
    import psutil

    info = watched.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    renderers = [each["id"] for each in info["processInfo"] if each["type"] == "renderer"]
    return max(psutil.Process(each).memory_full_info().uss for each in renderers) / 2**20


def test_any_page_of_many_is_reached_at_once(open_page: Open, long: str, pages: int) -> None:
    page = open_page(f"{long}/page/{pages - 23}/block/3").page
    block = page.locator(f'[data-page="{pages - 23}"] .block[data-block="3"]')
    expect(block).to_be_focused()
    expect(block).to_be_in_viewport()
    page.locator("#find").fill(f"Entry {pages - 1}.6")
    expect(page.locator(".find-count")).to_have_text("1 of 1")
    expect(page.locator(f'[data-page="{pages - 1}"] .block.hit-now')).to_be_in_viewport()
