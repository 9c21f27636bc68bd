"""The real command on a signal: exits in time, says so, leaves nothing behind, and resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from page_server import PageServer, marked_pdf
from waiting import LONG, until

from deepseek_ocr_rag import PageCache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

PAGES = 60
SECONDS = 60.0
"""Limit for exiting after a signal: the server of these tests holds its pages for longer."""


@pytest.fixture(autouse=True)
def signals_are_heard():
    """A suite started with ``&`` or nohup ignores some signals, and its children would too."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Command:
    """``dsocr`` as a user starts it, in its own session, with its own cache and TMPDIR."""

    def __init__(self, folder, *words):
        (folder / "tmp").mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "DSOCR_CACHE_DIR": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deepseek_ocr_rag.cli.main", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )

    def end(self, *numbers):
        """Send signals, one after the other; returns the seconds until the exit, and the child processes left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        assert children, "nothing was being read"
        began = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        self.output, self.said = self.process.communicate(timeout=LONG)
        spent = time.monotonic() - began
        _, orphans = psutil.wait_procs(children, timeout=max(0.0, SECONDS - spent))
        return spent, orphans

    def finish(self):
        """Wait for the exit; returns the output."""
        self.output, self.said = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.said
        return self.output


@pytest.fixture(scope="module")
def server():
    with PageServer(0.01) as made:
        yield made


@contextmanager
def held_after(server, page):
    """The server answers no page after this one."""
    let_go = threading.Event()
    server.asked.clear()
    server.on_page = lambda mark: mark > page and let_go.wait(2 * LONG)
    try:
        yield
    finally:
        server.on_page = lambda mark: None
        let_go.set()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.pdf").write_bytes(marked_pdf(PAGES))
    return tmp_path


def words(server, *more):
    return ("read", "a.pdf", "--resolution", "tiny", "--backend", f"server:{server.url}/v1", *more)


def wait_for(pages, process, folder):
    """Wait until this many pages are stored."""

    def stored():
        assert process.poll() is None, process.communicate()
        with PageCache(folder / "cache") as cache:
            return cache.status().pages >= pages

    until(stored)


@pytest.fixture(scope="module")
def expected(server, tmp_path_factory):
    """The output of the command without a signal."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "a.pdf").write_bytes(marked_pdf(PAGES))
    return Command(folder, *words(server, "--json", "--no-cache")).finish()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_it_and_the_next_run_resumes(server, folder, expected, number, code):
    with held_after(server, 25):
        command = Command(folder, *words(server, "--json"))
        wait_for(25, command.process, folder)
        spent, orphans = command.end(number)
        before = list(server.asked)
    print(f"{number.name}: exit code {command.process.returncode} after {spent:.2f} s")
    assert command.process.returncode == code
    assert spent < SECONDS
    assert orphans == []
    assert list((folder / "tmp").iterdir()) == []
    assert command.output == ""
    assert command.said.count("\n") == 1
    assert number.name in command.said
    server.asked.clear()
    # The output contains the path of the source, which is the same relative path.
    assert Command(folder, *words(server, "--json")).finish() == expected
    twice = set(before) & set(server.asked)
    print(f"{len(before)} pages asked for before, {len(server.asked)} after, {len(twice)} in both")
    assert len(twice) <= 16, "only pages that were under way"
    assert server.asked[0] > 25
    assert len(server.asked) == PAGES - 25


def test_a_signal_while_a_folder_is_written_leaves_no_temporary_file(server, folder):
    with held_after(server, 30):
        command = Command(folder, *words(server, "-o", "out"))
        wait_for(30, command.process, folder)
        spent, orphans = command.end(signal.SIGTERM)
    assert (command.process.returncode, orphans) == (143, [])
    assert spent < SECONDS
    assert list((folder / "tmp").iterdir()) == []
    assert [path for path in folder.rglob("*") if path.name.startswith(".writing")] == []
    Command(folder, *words(server, "-o", "out")).finish()
    data = json.loads((folder / "out" / "a" / "a.json").read_text("utf-8"))
    assert [page["number"] for page in data["pages"]] == list(range(1, PAGES + 1))


def test_a_second_signal_does_not_disturb_the_shutdown(server, folder):
    with held_after(server, 5):
        command = Command(folder, *words(server))
        wait_for(5, command.process, folder)
        spent, orphans = command.end(signal.SIGINT, signal.SIGTERM)
    assert (command.process.returncode, orphans) == (130, [])
    assert spent < SECONDS
    assert "Traceback" not in command.said


DEAF = """
import sys, time
from deepseek_ocr_rag.cli import main as cli
from deepseek_ocr_rag.cli.shutdown import TerminatedBySignal

def deaf(options):
    print("reading", flush=True)
    ends = time.monotonic() + 600
    while time.monotonic() < ends:
        try:
            time.sleep(600)
        except TerminatedBySignal:
            pass

cli.COMMANDS["doctor"] = deaf
sys.exit(cli.main(["doctor"]))
"""


def test_a_library_that_ignores_the_signal_does_not_delay_the_exit():
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "reading\n"
        began = time.monotonic()
        process.terminate()
        assert process.wait(LONG) == 143
    assert time.monotonic() - began < SECONDS


UNNOTICED = """
import signal, sys, threading, time
from deepseek_ocr_rag.cli import main as cli

def waits(options):
    other = threading.Thread(target=time.sleep, args=(600,), daemon=True)
    other.start()
    # The kernel may give a signal to any thread.
    threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGTERM)).start()
    threading.Semaphore(0).acquire()

cli.COMMANDS["doctor"] = waits
sys.exit(cli.main(["doctor"]))
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_sent_again():
    done = subprocess.run(
        [sys.executable, "-c", UNNOTICED], capture_output=True, text=True, timeout=LONG
    )
    assert (done.returncode, done.stderr) == (143, "dsocr: ended by SIGTERM\n")


LOCKED = """
import ctypes, sys
from deepseek_ocr_rag.cli import main as cli

def locks_itself(options):
    lock = ctypes.create_string_buffer(256)
    take = ctypes.CDLL(None).pthread_mutex_lock
    take(lock)
    print("reading", flush=True)
    take(lock)

cli.COMMANDS["doctor"] = locks_itself
sys.exit(cli.main(["doctor"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a lock of glibc that is zeros while free")
def test_a_library_that_never_returns_does_not_prevent_the_exit():
    process = subprocess.Popen([sys.executable, "-c", LOCKED], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "reading\n"
        process.terminate()
        assert process.wait(LONG) == 143


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path, sample_pdf):
    """As ``nohup`` does with SIGHUP."""
    code = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from deepseek_ocr_rag.cli import main as cli;"
        "cli.COMMANDS['doctor'] = lambda o: print(signal.getsignal(signal.SIGHUP).name) or 0;"
        "sys.exit(cli.main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "SIG_IGN\n"


def test_main_restores_the_signal_handlers_of_its_caller(capsys):
    from deepseek_ocr_rag.cli.main import main

    before = signal.getsignal(signal.SIGTERM)
    assert main(["cache", "--folder", str(Path.cwd() / "no such folder")]) == 0
    assert main(["read", "no such file", "--backend", "lite"]) == 3
    assert signal.getsignal(signal.SIGTERM) is before
