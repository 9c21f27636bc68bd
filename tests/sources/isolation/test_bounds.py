"""Memory bounds: refused by the system, or seen by the thread that looks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deepseek_ocr_rag.sources.isolation.bounds import OUT_OF_MEMORY

SRC = Path(__file__).resolve().parents[3] / "src"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bounds")


def run(program, *arguments):
    text = "import sys; sys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-c", text, str(SRC), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


GREEDY = """
    import time
    from deepseek_ocr_rag.sources.isolation.bounds import MemoryBound
    bound = MemoryBound(refused=sys.argv[2] == "refused")
    bound.measure()
    with bound.allowing(150_000_000):
        try:
            taken = b"x" * 300_000_000
            time.sleep(5)
        except MemoryError:
            print("refused")
    taken = b"x" * 300_000_000
    print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses")
def test_linux_refuses_what_goes_over_and_only_then():
    assert run(GREEDY, "refused").stdout.split() == ["refused", "done"]


def test_elsewhere_a_thread_ends_the_process():
    done = run(GREEDY, "watched")
    assert (done.returncode, done.stdout) == (OUT_OF_MEMORY, "")
