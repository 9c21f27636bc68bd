"""The progress of reading: pages are counted as they finish, and one bar survives log lines."""

from __future__ import annotations

import io
import logging
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import CorruptSourceError, SourceNotFoundError
from deepseek_ocr_rag.reading import ProgressBar, ReadingProgress, progress_bar

pytestmark = pytest.mark.minimum


def pdf(pages: int) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for number in range(1, pages + 1):
        canvas.drawString(72, 700, f"Page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class Backwards:
    """Answers the last page first, as a server with many slots may; writes a log line at each."""

    name, model = "backwards", "none"
    needs_image, reads_text_layer = False, False

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in reversed(list(requests)):
            logging.getLogger("deepseek_ocr_rag").warning("page %d is slow", request.page)
            warnings.warn(f"dim page {request.page}", UserWarning, stacklevel=2)
            yield Reply(request.key, f"Page {request.page}")

    def close(self) -> None:
        pass


class Terminal(io.StringIO):
    """What a terminal shows: a carriage return goes back to the line's start and overwrites it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.bars: list[str] = []
        self._column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for character in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text):
            if character == "\r":
                self._column = 0
            elif character == "\n":
                self.lines.append("")
                self._column = 0
            else:
                line = self.lines[-1].ljust(self._column)
                self.lines[-1] = line[: self._column] + character + line[self._column + 1 :]
                self._column += 1
        if "page/s" in self.lines[-1] or "?page" in self.lines[-1]:
            self.bars.append(self.lines[-1].rstrip())
        return len(text)


def test_pages_are_counted_as_they_finish_and_those_under_way_are_named() -> None:
    told: list[ReadingProgress] = []
    with Reader(Backwards(), cache=False) as reader, reader.open(pdf(5), name="a.pdf") as stream:
        stream.on_progress = told.append
        with pytest.warns(UserWarning, match="dim"):
            next(stream)  # the last one to be answered
        before = list(told)
        list(stream)
    done = [each.done for each in before]
    assert done == sorted(done)
    assert set(done) == {0, 1, 2, 3, 4, 5}
    assert ReadingProgress("a.pdf", 3, 5, (1, 2)) in before
    assert told[-1] == ReadingProgress("a.pdf", 5, 5)


@pytest.mark.filterwarnings("ignore:dim page")
def test_cached_pages_are_counted_once(tmp_path: Path) -> None:
    class Kept(Backwards):
        fingerprint = "kept"

    told: list[ReadingProgress] = []
    with Reader(Kept(), cache=tmp_path) as reader:
        reader.read(pdf(4), pages="1-2,4")
        with reader.open(pdf(4)) as stream:
            stream.on_progress = told.append
            list(stream)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1].done == told[-1].total == 4


def test_one_bar_stays_one_bar_whatever_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    logger = logging.getLogger("deepseek_ocr_rag")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings(), Reader(Backwards(), cache=False) as reader:
            warnings.simplefilter("always")
            # As Python itself does it; the test run collects warnings instead.
            monkeypatch.setattr(
                "warnings.showwarning",
                lambda message, *_, **__: print(f"UserWarning: {message}", file=sys.stderr),
            )
            document = reader.read(pdf(3), name="re\x1b]0;x\x07port.pdf", show_progress=True)
            print("after", file=sys.stderr)
    finally:
        logger.removeHandler(handler)
    assert len(document) == 3
    assert sys.stderr is terminal
    assert handler.stream is terminal
    shown = [line.rstrip() for line in terminal.lines if line.strip()]
    assert not any("page/s" in line or "%|" in line for line in shown), "no dead bar stays"
    assert [line for line in shown if "slow" in line] == [f"page {n} is slow" for n in (3, 2, 1)]
    assert sum("dim page" in line for line in shown) == 3
    assert shown[-1] == "after"
    assert any("3/3" in bar for bar in terminal.bars)
    assert any("pages 1-2" in bar and "1/3" in bar for bar in terminal.bars)
    assert "\x1b]0" not in terminal.getvalue()


def test_one_bar_counts_the_pages_of_a_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, pages in (("a.pdf", 2), ("b.pdf", 3)):
        (tmp_path / name).write_bytes(pdf(pages))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with warnings.catch_warnings(), Reader(Backwards(), cache=False) as reader:
        warnings.simplefilter("ignore")
        documents = list(reader.read_folder(tmp_path, show_progress=True))
    assert [document.source for document in documents] == [
        str(tmp_path / "a.pdf"),
        str(tmp_path / "b.pdf"),
    ]
    assert any("5/5" in bar and "b.pdf" in bar for bar in terminal.bars)


@pytest.mark.filterwarnings("ignore:dim page")
def test_without_a_terminal_the_automatic_bar_is_silent() -> None:
    file = io.StringIO()
    with ProgressBar(show=None, file=file) as bar, Reader(Backwards(), cache=False) as reader:
        stream = reader.open(pdf(1))
        bar.follow(stream)
        with stream:
            list(stream)
    assert file.getvalue() == ""


@pytest.mark.filterwarnings("ignore:dim page")
def test_a_notebook_without_widgets_has_the_bar_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm's own choice would warn "IProgress not found" there."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress_bar, "find_spec", lambda _: None)
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with ProgressBar(show=None) as bar, Reader(Backwards(), cache=False) as reader:
        stream = reader.open(pdf(2))
        bar.follow(stream)
        with stream:
            list(stream)
    assert "2/2" in shown.getvalue()


@pytest.mark.filterwarnings("ignore:dim page")
def test_a_broken_file_of_a_folder_ends_the_reading_or_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.pdf").write_bytes(pdf(1))
    with Reader(Backwards(), cache=False) as reader:
        with pytest.raises(CorruptSourceError, match=r"a\.pdf"):
            list(reader.read_folder(tmp_path))
        (document,) = reader.read_folder(tmp_path, on_error="skip")
        assert document.source == str(tmp_path / "sub" / "b.pdf")
        with pytest.raises(SourceNotFoundError, match="no such folder"):
            reader.read_folder(tmp_path / "missing")
    assert "Skipped" in caplog.text
