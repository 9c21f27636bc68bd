"""Child processes: started in a session of their own, ended for certain, with all that they started."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deepseek_ocr_rag.concurrency.child_process import (
    TAIL_BYTES,
    ChildProcess,
    OutputTail,
    describe_exit,
    finalize_in_owner,
    module_command,
    python_path,
)

posix = pytest.mark.skipif(os.name != "posix", reason="process groups of POSIX")

LONG = 60.0

STARTS_ANOTHER = (
    "import subprocess, sys;"
    "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(other.pid, flush=True);"
)


def child(program: str, **options: int) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], dict(os.environ), **options)


def ended(pid: int) -> bool:
    """Whether a process of another ends soon; where nobody waits for it, it stays a zombie."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_exit_codes_and_signals_are_named() -> None:
    assert describe_exit(3) == "ended with exit code 3"
    assert describe_exit(-signal.SIGSEGV) == "was terminated by signal SIGSEGV"
    assert describe_exit(-4242) == "was terminated by signal 4242"


@posix
def test_it_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it() -> None:
    process = child("input()")
    assert os.getsid(process.pid) == process.pid
    process.end()
    process.close_pipes()


def test_one_that_ends_by_itself_in_time_is_not_killed() -> None:
    process = child("import sys; sys.stdin.read(); sys.exit(3)")
    process.stdin.close()
    process.end(after=LONG)
    assert process.wait(0) == 3
    process.close_pipes()


@posix
def test_one_that_does_not_end_by_itself_is_killed_after_the_time_it_was_given() -> None:
    process = child(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(flush=True); time.sleep(600)"
    )
    process.stdout.read(1)
    assert process.wait(0.1) is None
    began = time.monotonic()
    process.end(after=0.5)
    assert time.monotonic() - began >= 0.5
    assert process.wait(0) == -signal.SIGKILL
    process.close_pipes()


@posix
@pytest.mark.parametrize("then", ["input()", "sys.exit(7)"], ids=["running", "gone"])
def test_what_it_started_ends_with_it_also_if_it_is_gone(then: str) -> None:
    process = child(STARTS_ANOTHER + then)
    other = int(process.stdout.read(20))
    if then != "input()":
        assert process.wait(LONG) == 7
    process.end()
    assert ended(other)
    process.close_pipes()


@posix
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_copy_of_its_owner_ends_neither_it_nor_what_belongs_to_it() -> None:
    class Owner:
        pass

    process = child("input()")
    owner = Owner()
    ends: list[str] = []
    finalizer = finalize_in_owner(owner, ends.append, "end")
    copy = os.fork()
    if copy == 0:
        try:
            process.kill()
            process.wait(0)
            finalizer()
            process.disown()
        finally:
            os._exit(len(ends))
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 0
    assert process.wait(0.2) is None
    process.end()
    process.close_pipes()
    del owner
    gc.collect()
    assert ends == ["end"]


def test_a_closed_pipe_is_a_broken_pipe() -> None:
    process = child("")
    process.end(after=LONG)
    process.close_pipes()
    with pytest.raises(BrokenPipeError, match="ended"):
        _ = process.stdin


def test_only_the_end_of_what_it_prints_is_kept() -> None:
    process = child(
        "import sys; sys.stderr.write('x' * 1_000_000 + 'the \\udcff end')",
        stderr=subprocess.PIPE,
    )
    pipe = process.stderr
    tail = OutputTail(pipe, "test-tail")
    process.end(after=LONG)
    tail.thread.join(LONG)
    assert tail.text.endswith("end")
    assert len(tail.text) <= TAIL_BYTES
    assert pipe.closed
    process.close_pipes()


def test_a_module_runs_as_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in the working folder, and also where the package is not installed."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("src")])
    environment = {**os.environ, "PYTHONPATH": python_path()}
    command = module_command("deepseek_ocr_rag.concurrency.frames")  # imports json
    process = ChildProcess(command, environment, folder=tmp_path)
    process.end(after=LONG)
    assert process.wait(0) == 0
    process.close_pipes()


def test_a_program_without_an_interpreter_cannot_start_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(FileNotFoundError, match="no Python interpreter"):
        module_command("deepseek_ocr_rag.version")


@posix
def test_a_child_imports_opencv_where_packages_are_linked(tmp_path: Path) -> None:
    """As ``uv pip install --link-mode symlink`` makes them: a real folder, a link for each file."""
    for name in ("cv2", "deepseek_ocr_rag"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        for file in package.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                link = tmp_path / name / file.relative_to(package)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
    program = (
        "import os, subprocess, sys\n"
        f"sys.path.insert(1, {str(tmp_path)!r})\n"
        "from deepseek_ocr_rag.concurrency.child_process import python_path\n"
        "environment = {**os.environ, 'PYTHONPATH': python_path()}\n"
        "command = [sys.executable, '-P', '-c', 'import cv2; print(cv2.__file__)']\n"
        "sys.exit(subprocess.run(command, env=environment).returncode)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", program]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path))
