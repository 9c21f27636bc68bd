"""The README's code runs as printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

docs_pages = pytest.importorskip("docs_pages", reason="tests/support is not on the path")

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCKS = [block for block in docs_pages.blocks(README) if block.language == "python"]


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 3


@pytest.mark.slow
def test_the_blocks_run_as_printed(tmp_path: Path, documented_pages: Path) -> None:
    """Each has a namespace of its own; one process, since importing the framework takes seconds."""
    program = Path(docs_pages.__file__).with_name("run_docs_page.py")
    ran = subprocess.run(
        [sys.executable, str(program), str(README), "python"],
        cwd=tmp_path,
        env={**os.environ, "DSOCR_CACHE_DIR": str(documented_pages)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
