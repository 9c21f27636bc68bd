"""Cancels pages of the published code: its process ends, and the other pages are read."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from thread_leaks import new_threads
from waiting import LONG, least, until

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.concurrency.cancellation import Cancellation
from deepseek_ocr_rag.reading.reader import Reader

MakeBackend = Callable[..., OfficialBackend]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


class Noted:
    """A file to which the stand-in's code adds lines, and for which tests wait."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def code(self, expression: str) -> str:
        """Return code that adds the line."""
        return f"open({str(self._path)!r}, 'a').write(f'{{{expression}}}\\n')"

    def lines(self) -> list[str]:
        """Return the lines so far."""
        return self._path.read_text().split() if self._path.exists() else []

    def wait(self, count: int = 1) -> list[str]:
        """Wait until there are this many lines; return them."""
        until(lambda: len(self.lines()) >= count)
        return self.lines()


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path / "noted")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4, thread_name_prefix="test") as pool:
        yield pool


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes have their folders."""
    (tmp_path / "private").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "private"))
    return tmp_path / "private"


def hangs_at_page_1(noted: Noted, first: str = "pass") -> str:
    """Notes its process at page 1 and hangs; returns its process for all other pages."""
    return (
        f"if page == 1:\n    {first}\n    {noted.code('os.getpid()')}\n    time.sleep(600)\n"
        "return f'{page} {os.getpid()}'"
    )


def read(backend: OfficialBackend, *requests: Any) -> list[Reply]:
    return list(backend.read(requests))


def cancel(unwanted: Cancellation, backend: OfficialBackend) -> float:
    """Cancel a page; return the seconds until its slot is free."""
    began = time.monotonic()
    unwanted.cancel()
    with backend._slots.slot("next", Cancellation()):
        return time.monotonic() - began


def is_gone(pid: int, seconds: float = 0.0) -> bool:
    ends = time.monotonic() + seconds
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() >= ends:
                return False
            time.sleep(0.005)
    return True


STARTS = "import subprocess; subprocess.Popen(['sleep', '600'])"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize("first", ["pass", STARTS, DEAF], ids=["sleeps", "starts one", "is deaf"])
def test_a_cancelled_page_frees_its_slot_within_a_second(
    light: MakeBackend,
    page_request: Any,
    noted: Noted,
    threads: ThreadPoolExecutor,
    private_folders: Path,
    first: str,
) -> None:
    backend = light(hangs_at_page_1(noted, first), timeout=LONG)

    def seconds() -> float:
        unwanted = Cancellation()
        before = len(noted.lines())
        reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
        pid = int(noted.wait(before + 1)[-1])
        started = psutil.Process(pid).children(recursive=True)
        spent = cancel(unwanted, backend)
        assert is_gone(pid)
        assert all(is_gone(child.pid, LONG) for child in started)
        assert reading.result(LONG) == []
        assert list(private_folders.iterdir()) == []
        assert new_threads(ours=True) == []
        return spent

    assert least(seconds, 1) < 1


def test_the_slot_is_free_within_a_second_even_if_something_left_the_process_group(
    light: MakeBackend, page_request: Any, noted: Noted, threads: ThreadPoolExecutor
) -> None:
    escapes = (
        "import subprocess; left = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        + noted.code("left.pid")
    )
    backend = light(hangs_at_page_1(noted, escapes), timeout=LONG)

    def seconds() -> float:
        unwanted = Cancellation()
        before = len(noted.lines())
        reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
        left, _ = noted.wait(before + 2)[before:]
        try:
            spent = cancel(unwanted, backend)
            assert reading.result(LONG) == []
            assert read(backend, page_request(2))[0].text.startswith("2 ")
        finally:
            os.kill(int(left), signal.SIGKILL)
        return spent

    try:
        assert least(seconds, 1) < 1
    finally:
        backend.close()
        for each in threading.enumerate():
            if each.name == "dsocr-official-messages":
                each.join(LONG)


def test_the_next_page_is_read_in_a_new_process_that_loads_the_model_anew(
    light: MakeBackend, page_request: Any, noted: Noted, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    loaded = Noted(tmp_path / "loaded")
    backend = light(hangs_at_page_1(noted), loaded.code("os.getpid()"), timeout=LONG)
    unwanted = Cancellation()
    reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
    first = noted.wait()[0]
    unwanted.cancel()
    assert reading.result(LONG) == []
    (reply,) = read(backend, page_request(2))
    number, second = reply.text.split()
    assert number == "2"
    assert loaded.lines() == [first, second]
    assert first != second


def test_a_page_of_another_thread_that_waits_is_read_in_the_new_process(
    light: MakeBackend, page_request: Any, noted: Noted, threads: ThreadPoolExecutor
) -> None:
    backend = light(hangs_at_page_1(noted), timeout=LONG)
    unwanted = Cancellation()
    reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
    first = noted.wait()[0]
    waiting = threads.submit(read, backend, page_request(2), page_request(3))
    until(lambda: backend._slots.contested)
    unwanted.cancel()
    texts = [reply.text.split() for reply in waiting.result(LONG)]
    assert [number for number, _ in texts] == ["2", "3"]
    assert texts[0][1] == texts[1][1] != first
    assert reading.result(LONG) == []


def test_however_many_pages_are_cancelled_in_a_row_the_others_are_read(
    light: MakeBackend, page_request: Any, noted: Noted, threads: ThreadPoolExecutor
) -> None:
    backend = light(hangs_at_page_1(noted), timeout=LONG)
    others: list[Future[list[Reply]]] = []
    for count in range(1, 5):
        unwanted = Cancellation()
        reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
        noted.wait(count)
        others.append(threads.submit(read, backend, page_request(2)))
        unwanted.cancel()
        assert reading.result(LONG) == []
    assert [other.result(LONG)[0].text[:2] for other in others] == ["2 "] * 4


def test_a_page_that_is_cancelled_while_the_model_loads_frees_its_slot_as_soon(
    light: MakeBackend, page_request: Any, noted: Noted, threads: ThreadPoolExecutor
) -> None:
    backend = light(loading=f"{noted.code('os.getpid()')}; time.sleep(600)", load_timeout=LONG)

    def seconds() -> float:
        unwanted = Cancellation()
        before = len(noted.lines())
        reading = threads.submit(read, backend, page_request(1, cancellation=unwanted))
        pid = int(noted.wait(before + 1)[-1])
        spent = cancel(unwanted, backend)
        assert reading.result(LONG) == []
        assert is_gone(pid)
        return spent

    assert least(seconds, 1) < 1


def test_the_other_pages_of_a_cancelled_reading_start_no_process(
    light: MakeBackend, page_request: Any, noted: Noted
) -> None:
    backend = light(loading=noted.code("os.getpid()"))
    unwanted = Cancellation()
    unwanted.cancel()
    assert read(backend, *(page_request(n, cancellation=unwanted) for n in range(1, 6))) == []
    assert backend._worker is None
    assert noted.lines() == []


class Late(Cancellation):
    """Reports a cancellation only when the work is done, as another thread may."""

    @contextmanager
    def on_cancel(self, step: Callable[[], object]) -> Iterator[None]:
        yield
        step()


def test_cancelling_a_page_that_has_its_answer_does_not_end_another_page(
    light: MakeBackend, page_request: Any
) -> None:
    backend = light("return f'{page} {os.getpid()}'")
    first, second = read(backend, page_request(1, cancellation=Late()), page_request(2))
    assert first.text.split()[0] == "1"
    assert second.text.split() == ["2", first.text.split()[1]]


async def test_cancelling_a_task_ends_the_process_and_the_reader_goes_on(
    light: MakeBackend, noted: Noted, sample_pdf: Path
) -> None:
    first_alone = (
        f"if not os.path.exists({str(noted._path)!r}):\n"
        f"    {noted.code('os.getpid()')}\n    time.sleep(600)"
    )
    with Reader(light(first_alone, timeout=LONG), cache=False) as reader:
        spent: list[float] = []
        while not spent or (spent[-1] >= 1 and len(spent) < 10):  # a busy machine holds some up
            noted._path.unlink(missing_ok=True)
            task = asyncio.create_task(reader.aread(sample_pdf, pages="1-2"))
            (pid,) = await asyncio.to_thread(noted.wait)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert is_gone(int(pid), LONG)
            spent.append(time.monotonic() - began)
        assert min(spent) < 1
        document = await reader.aread(sample_pdf, pages="1-2")
    assert [page.finish_reason for page in document] == ["stop", "stop"]
