"""Standard streams that are full, closed or without a reader, and Ctrl-C before all is loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")

GRAMMAR = "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nAnn keeps the lamp.\n"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def run(line, *, module="deepseek_ocr_rag"):
    """Run a line of the shell in which ``dsocr`` is the command."""
    command = f'dsocr() {{ "{sys.executable}" -m {module} "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", command], input=GRAMMAR, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@needs_full
@pytest.mark.parametrize("words", ["parse -", "--help", "read --help", "doctor nonsense"])
def test_a_full_output_is_an_error_that_says_why(words):
    done = run(f"dsocr {words} >/dev/full")
    assert done.returncode in (1, 2)  # 2: the usage was wrong, which was all there was to say
    if done.returncode == 1:
        assert "standard output cannot be written (No space left on device)" in done.stderr


@pytest.mark.parametrize("words", ["parse -", "--help"])
def test_a_closed_output_is_an_error_that_says_so(words):
    done = run(f"dsocr {words} >&-")
    assert done.returncode == 1
    assert "standard output cannot be written (it is closed)" in done.stderr


@needs_full
def test_more_than_a_buffer_holds_does_not_hide_the_error(tmp_path):
    (tmp_path / "long.txt").write_text(GRAMMAR * 2000)
    done = run(f"dsocr parse {tmp_path}/long.txt >/dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    (tmp_path / "long.txt").write_text(GRAMMAR * 2000)
    done = run(f"dsocr parse {tmp_path}/long.txt | head -c 10; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.endswith("\n0\n") or done.stdout[10:] == "0\n"
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["parse -", "read -", "doctor -"])
def test_a_closed_input_is_an_error_that_says_so(words):
    done = run(f"dsocr {words} <&-")
    assert done.returncode == 3
    assert "standard input is closed" in done.stderr


@pytest.mark.parametrize(
    "error", ["2>&-", pytest.param("2>/dev/full", marks=needs_full), "2>&1 | head -c 0"]
)
@pytest.mark.parametrize(("words", "code"), [("dance", 2), ("parse -", 0)])
def test_where_nobody_hears_the_notes_the_exit_code_is_the_same(words, code, error):
    done = run(f"dsocr {words} {error}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == code
    if words == "parse -" and "|" not in error:
        assert "Ann keeps the lamp." in done.stdout


def test_with_all_of_them_closed_it_still_says_by_its_exit_code_how_it_went():
    assert run("dsocr parse nowhere <&- >&- 2>&-").returncode == 3
    assert run("dsocr --version <&- >&- 2>&-").returncode == 1


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    """A library that prints would otherwise write into the page cache."""
    code = (
        "import os, sys; from deepseek_ocr_rag.cli.standard_streams import standard_streams\n"
        "with standard_streams():\n"
        f"    file = os.open({str(tmp_path / 'a')!r}, os.O_CREAT | os.O_RDWR)\n"
        "    os._exit(0 if file > 2 else 9)"
    )
    done = run(f"'{sys.executable}' -c \"$CODE\" <&- >&- 2>&-".replace("$CODE", code))
    assert done.returncode == 0


SLOW = """
import sys, time
print("loading", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("deepseek_ocr_rag", signal.SIGINT),
        ("deepseek_ocr_rag", signal.SIGTERM),
        ("deepseek_ocr_rag.cli.main", signal.SIGINT),
    ],
)
def test_a_signal_while_it_is_loading_ends_it_without_a_traceback(tmp_path, module, number):
    (tmp_path / "PIL.py").write_text(SLOW)  # loaded by most of the package
    process = subprocess.Popen(
        [sys.executable, "-m", module, "parse", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        # A run in the background ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)
        output, said = process.communicate(timeout=120)
    assert (process.returncode, output) == (128 + number, "")
    assert said == f"dsocr: ended by {number.name}\n"


def test_the_command_loads_nothing_heavy_before_it_looks_after_signals():
    code = (
        "import sys; import deepseek_ocr_rag.cli.main\n"
        "print(*[m for m in sys.modules if m.partition('.')[0] in "
        "('PIL', 'httpx', 'numpy', 'argparse', 'logging')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""
