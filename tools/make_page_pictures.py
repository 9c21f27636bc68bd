"""Takes the pictures of the service's page that the documentation shows.

Run ``python tools/make_page_pictures.py``; it needs the extra [serve], playwright and Chromium. The
built-in reader reads the sample, so that it runs anywhere and the pictures are the same each time.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from chromium import CHROMIUM  # noqa: E402
from running_service import send, serving  # noqa: E402

from deepseek_ocr_rag import sample_path  # noqa: E402
from deepseek_ocr_rag.service.queue import JobQueue  # noqa: E402
from deepseek_ocr_rag.service.service_limits import ReaderSettings  # noqa: E402

PICTURES = ROOT / "docs" / "images"
COLOURS = 128
WIDE = {"width": 1280, "height": 760}
NARROW = {"width": 360, "height": 700}
QUESTION = "How many watts does the new lamp draw?"


def take(
    browser: Browser, name: str, url: str, prepare: Callable[[Page], None], **context: object
) -> None:
    """One picture, as a PNG with few colours."""
    opened = browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **context})
    page = opened.new_page()
    page.goto(url)
    prepare(page)
    page.wait_for_timeout(800)
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        few = taken.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        few.save(PICTURES / f"{name}.png", optimize=True)
    opened.close()


def hover_block(number: int, kind: str) -> Callable[[Page], None]:
    """Waits for a page and its picture, and points at a block."""

    def prepare(page: Page) -> None:
        row = page.locator(f'[data-page="{number}"]')
        expect(row.locator(".paper img")).to_be_visible(timeout=60_000)
        row.locator(f'.block[data-kind="{kind}"]').first.hover()

    return prepare


def show_list(page: Page) -> None:
    """Waits for the list of documents."""
    expect(page.locator("#jobs .item").first).to_be_visible(timeout=60_000)


def ask_and_choose(page: Page) -> None:
    """Asks, and chooses the first sentence of the answer."""
    expect(page.locator('[data-page="1"] .paper img')).to_be_visible(timeout=60_000)
    page.locator("#toggle-asking").click()
    page.locator("#question").fill(QUESTION)
    page.keyboard.press("Enter")
    page.locator("button.sentence-button").first.click(timeout=60_000)
    expect(page.locator(".mark.dark").first).to_be_attached()


def main() -> None:
    """Takes all pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        JobQueue(Path(folder) / "data", ReaderSettings(backend="lite")) as queue,
        serving(queue) as http,
        sync_playwright() as playwright,
    ):
        job = send(http, sample_path())["id"]
        while not http.get(f"/v1/jobs/{job}", params={"wait": 50}).json()["ended"]:
            continue
        url = str(http.base_url)
        document = f"{url}#/job/{job}/page"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take(browser, "page-reading", f"{document}/3", hover_block(3, "table"))
        take(
            browser,
            "page-reading-dark",
            f"{document}/1",
            hover_block(1, "text"),
            color_scheme="dark",
        )
        take(browser, "page-narrow", f"{document}/1", hover_block(1, "text"), viewport=NARROW)
        take(browser, "page-asking", f"{document}/1", ask_and_choose)
        take(browser, "page-list-chinese", url, show_list, locale="zh-CN")
        browser.close()


if __name__ == "__main__":
    main()
