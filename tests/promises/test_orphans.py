"""When a process is killed, its reading processes end too, whatever they are doing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SECONDS = 60.0

OWNER = """
import sys
sys.path.insert(0, sys.argv[1])
from bombs import bombs
from deepseek_ocr_rag import open_source
source = open_source(bombs()[sys.argv[3]](), renderer=sys.argv[2])
print("opened", flush=True)
source.render(1, 1280)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize(
    ("renderer", "bomb"),
    [
        ("pdfium", "shading with a slow program"),
        # A thread in the worker that checks for the owner would never get to run here.
        pytest.param(
            "pymupdf",
            "shading with a slow program",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="see ended_with_owner"),
        ),
    ],
)
def test_an_endless_page_ends_when_its_owner_is_killed(renderer, bomb):
    if renderer == "pymupdf":
        pytest.importorskip("pymupdf")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(SUPPORT), renderer, bomb], stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout.readline() == b"opened\n"
        time.sleep(0.5)
        (worker,) = psutil.Process(owner.pid).children(recursive=True)
        owner.kill()
    _, alive = psutil.wait_procs([worker], timeout=SECONDS)
    for process in alive:
        process.kill()
    assert alive == []
