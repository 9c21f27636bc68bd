"""The real ``dsocr serve`` behind the page: killed and brought back, and how fast it all comes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docs_pages import ROOT
from page_server import PageServer, marked_pdf
from playwright.sync_api import expect
from waiting import least
from watched_page import WatchedPage

from deepseek_ocr_rag import sample_path

Open = Callable[..., WatchedPage]

PATIENCE = 120.0
FIRST_PAINT_SECONDS = 0.3
MORE_THAN_READ = 3.0


@contextmanager
def served(
    folder: Path, port: int, backend: str, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``dsocr serve`` on a port, as soon as it listens."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DSOCR_")}
    command = [sys.executable, "-m", "deepseek_ocr_rag", "serve", "--port", str(port)]
    command += ["--data", str(folder / "data"), "--backend", backend, "--llm", "none", *options]
    log = folder / "serve.log"
    with log.open("wb") as opened:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=opened,
            env={**kept, "PYTHONPATH": str(ROOT / "src"), "OLLAMA_HOST": "127.0.0.1:9"},
        )
    try:
        end = time.monotonic() + PATIENCE
        while not re.search(rb"serving on http", log.read_bytes()):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.long
def test_a_service_that_is_killed_is_taken_up_when_it_comes_back(
    open_page: Open, tmp_path: Path
) -> None:
    port = free_port()
    file = tmp_path / "eight.pdf"
    file.write_bytes(marked_pdf(8))
    with PageServer(seconds=1.0) as reader:
        backend = f"server:{reader.url}/v1"
        with served(tmp_path, port, backend) as process:
            page = open_page(f"http://127.0.0.1:{port}").page
            page.locator("#files").set_input_files(file)
            expect(page.locator(".strip .facts")).to_contain_text(
                "of 8 pages", timeout=PATIENCE * 1000
            )
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            expect(page.get_by_text("Connection lost.")).to_be_visible()
        with served(tmp_path, port, backend):
            expect(page.locator(".strip .badge").first).to_have_text(
                "read", timeout=PATIENCE * 1000
            )
            expect(page.locator(".strip .facts")).to_have_text("8 pages")
            page.locator("#goto").fill("8")
            page.locator("#goto").press("Enter")
            expect(page.locator('[data-page="8"] .block').last).to_contain_text("number 8")


def test_the_page_paints_at_once(open_page: Open, tmp_path: Path, capsys: Any) -> None:
    port = free_port()

    def first_paint() -> float:
        page = open_page(f"http://127.0.0.1:{port}").page
        expect(page.get_by_role("button", name="Choose files")).to_be_visible()
        milliseconds: float = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        return milliseconds / 1000

    with served(tmp_path, port, "lite"):
        seconds = least(first_paint, FIRST_PAINT_SECONDS)
    with capsys.disabled():
        print(f"\nfirst paint after {1000 * seconds:.0f} ms")
    assert seconds < FIRST_PAINT_SECONDS


@pytest.mark.long
def test_the_first_page_comes_about_as_soon_as_dsocr_reads_the_sample(
    open_page: Open, tmp_path: Path, capsys: Any
) -> None:
    sample = str(sample_path())
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DSOCR_CACHE_DIR": str(tmp_path)}
    started = time.monotonic()
    reading = [sys.executable, "-m", "deepseek_ocr_rag", "read", sample]
    subprocess.run(
        [*reading, "--backend", "lite", "-o", str(tmp_path / "out"), "--no-cache"],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    read = time.monotonic() - started
    port = free_port()
    open_page("about:blank")  # the browser is there already
    started = time.monotonic()
    with served(tmp_path, port, "lite"):
        page = open_page(f"http://127.0.0.1:{port}").page
        page.locator("#files").set_input_files(sample)
        expect(page.locator('[data-page="1"] .block').first).to_be_visible(timeout=PATIENCE * 1000)
        shown = time.monotonic() - started
    with capsys.disabled():
        print(
            f"\ndsocr read of the sample {read:.1f} s; service to first page visible {shown:.1f} s"
        )
    assert shown < read + MORE_THAN_READ
