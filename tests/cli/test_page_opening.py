"""``dsocr serve --open``: the page in a browser, with a file that is read."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path

import pytest

from deepseek_ocr_rag.cli.servers import page_opening
from deepseek_ocr_rag.errors import ConfigurationError, SourceNotFoundError
from deepseek_ocr_rag.service.queue import JobQueue


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser is given; it is there."""
    found: list[str] = []

    def open_one(address: str) -> bool:
        found.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_one)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: thread.run())
    return found


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8765/"),
        ("0.0.0.0", "http://127.0.0.1:8765/"),
        ("::1", "http://[::1]:8765/"),
        ("[::]", "http://127.0.0.1:8765/"),
        ("reader.example.org", "http://reader.example.org:8765/"),
    ],
)
def test_it_opens_where_the_service_is(
    tmp_path: Path, opened: list[str], host: str, address: str
) -> None:
    page_opening.show_page(JobQueue(tmp_path), "", host, 8765)
    assert opened == [address]


def test_a_file_is_sent_once(tmp_path: Path, opened: list[str], sample_pdf: Path) -> None:
    queue = JobQueue(tmp_path / "data")
    for _ in range(2):
        page_opening.show_page(queue, str(sample_pdf), "127.0.0.1", 8765)
    (job,) = queue.list("local").jobs
    assert job.name == "sample.pdf"
    assert opened == [f"http://127.0.0.1:8765/#/job/{job.id}"] * 2


def test_without_a_browser_it_says_where_the_page_is(
    tmp_path: Path,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    page_opening.show_page(JobQueue(tmp_path), "", "127.0.0.1", 8765)
    assert "open http://127.0.0.1:8765/" in capsys.readouterr().err


def test_what_cannot_be_sent_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        page_opening.check_file(str(tmp_path / "missing.pdf"), has_keys=False)
    with pytest.raises(ConfigurationError, match="with API keys"):
        page_opening.check_file(__file__, has_keys=True)
