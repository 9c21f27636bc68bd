"""One reading process: what it knows, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from bombs import bombs
from waiting import LONG

from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.concurrency.frames import Frame
from deepseek_ocr_rag.errors import SourceError, WorkerLostError
from deepseek_ocr_rag.sources.isolation import process
from deepseek_ocr_rag.sources.isolation.process import Worker

SRC = Path(__file__).resolve().parents[3] / "src"
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.stop()


def system_process(worker):
    return psutil.Process(worker._process.pid)


def test_it_answers_and_ends(worker):
    assert worker.alive
    assert worker.ask(Frame({"do": "close", "document": 1}), LONG).message == {}
    worker.stop()
    worker.stop()
    assert not worker.alive


def test_a_stopped_one_answers_no_more(worker):
    worker.stop()
    with pytest.raises(WorkerLostError):
        worker.ask(Frame({"do": "close", "document": 1}), LONG)


@posix
def test_one_that_was_killed_says_by_what(worker):
    os.kill(worker._process.pid, signal.SIGSEGV)
    with pytest.raises(WorkerLostError, match="SIGSEGV"):
        worker.ask(Frame({"do": "close", "document": 1}), LONG)


@posix
def test_one_that_hangs_is_ended_at_the_deadline(worker):
    os.kill(worker._process.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(WorkerLostError) as caught:
        worker.ask(Frame({"do": "close", "document": 1}), 0.3)
    assert caught.value.late
    assert time.monotonic() - began < LONG
    assert not worker.alive


@posix
def test_one_that_takes_no_order_is_ended_at_the_deadline(worker):
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(WorkerLostError) as caught:
        worker.ask(Frame({"do": "open"}, bytes(50_000_000)), 0.3)
    assert caught.value.late


def test_an_order_that_it_does_not_know_ends_it(worker):
    with pytest.raises(WorkerLostError):
        worker.ask(Frame({"do": "dance", "document": 5, "page": 1}), LONG)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_it_gets_no_secrets_no_files_and_no_sockets_of_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    with (tmp_path / "open").open("w") as ours:
        worker = Worker()
        try:
            there = system_process(worker)
            environment = there.environ()
            assert "sesame" not in str(environment)
            assert set(environment) <= {
                *process._INHERITED,
                *process.OFFLINE,
                *("PYTHONPATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LC_CTYPE"),
                *("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"),
            }
            assert ours.name not in [file.path for file in there.open_files()]
            assert there.net_connections() == []
        finally:
            worker.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux")
def test_it_cannot_write_files_nor_dump_its_memory(worker):
    worker.ask(Frame({"do": "close", "document": 1}), LONG)
    there = system_process(worker)
    assert there.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert there.rlimit(psutil.RLIMIT_CORE) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux")
def test_before_a_document_comes_python_can_keep_what_it_compiles_of_a_renderer(worker):
    """Otherwise each process compiles the renderer again, a third of a second."""
    worker.ask(Frame({"do": "load", "format": "PDF", "renderer": "pdfium"}), LONG)
    assert system_process(worker).rlimit(psutil.RLIMIT_FSIZE) != (0, 0)


UNWANTED = """
    import sys
    import deepseek_ocr_rag.sources.isolation.worker
    room = "deepseek_ocr_rag.document."
    print({"csv", "difflib", "hashlib", "html", "logging", "numpy", "tempfile"} & {*sys.modules})
    print({room + name for name in ("letter_statistics", "sanitize", "tables")} & {*sys.modules})
"""


def test_it_imports_nothing_that_only_its_owner_needs():
    """Hundreds of them are started in the gate alone, and a reader waits for the first."""
    command = [sys.executable, "-s", "-c", textwrap.dedent(UNWANTED)]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "set()\nset()\n"


def test_it_starts_in_half_a_second_of_computing():
    """Not by the clock, which goes on while a busy machine does something else."""
    spent = []
    for _ in range(5):
        worker = Worker()
        times = system_process(worker).cpu_times()
        spent.append(times.user + times.system)
        worker.stop()
    print(f"starting took {min(spent):.2f} s of computing")
    assert min(spent) < 0.5


def test_where_no_process_can_be_started_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SourceError, match="isolated=False"):
        Worker()


def test_a_program_that_is_not_a_worker_is_an_error(monkeypatch):
    monkeypatch.setattr(process, "MODULE", "this")  # prints a text and ends
    with pytest.raises(SourceError, match="cannot be started"):
        Worker()


OWNER = """
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from deepseek_ocr_rag import open_source
    from deepseek_ocr_rag.sources.isolation.pool import shared_pool
    document = open_source(sys.argv[3])
    print(*[worker._process.pid for worker in shared_pool()._idle], flush=True)
    if sys.argv[2] == "exit":
        sys.exit()
    document.render(1, 1280)
"""


def ended(pid, seconds):
    try:
        psutil.Process(pid).wait(seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "SIGKILL"])
@posix
def test_it_does_not_outlive_its_owner_not_even_while_it_works(how, tmp_path):
    """The page takes longer than the test: nobody reads the pipe that tells of the end."""
    (tmp_path / "slow.pdf").write_bytes(bombs()["shading with a slow program"]())
    arguments = [str(SRC), how, str(tmp_path / "slow.pdf")]
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), *arguments], stdout=subprocess.PIPE
    )
    with owner:
        pid = int(owner.stdout.readline())
        if how != "exit":
            time.sleep(0.5)
            owner.send_signal(getattr(signal, how))
        assert ended(pid, LONG)
        owner.wait(LONG)


@posix
def test_after_an_interrupted_request_no_page_is_taken_for_another(sample_pdf, monkeypatch):
    """As Ctrl-C in a notebook does: the reply still comes, when nobody waits for it."""
    receive = process.receive

    def interrupted(stream, **given):
        select.select([stream], [], [], LONG)
        monkeypatch.setattr(process, "receive", receive)
        raise KeyboardInterrupt

    with open_source(sample_pdf) as source:
        second = source.render(2, 100).tobytes()
        assert second != source.render(1, 100).tobytes()
        monkeypatch.setattr(process, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            source.render(1, 100)
        assert source.render(2, 100).tobytes() == second
