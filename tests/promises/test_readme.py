"""The README's code runs as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_ocr_rag.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("code", BLOCKS, ids=[f"block{n}" for n, _ in enumerate(BLOCKS, start=1)])
def test_block_runs_as_printed(code: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip(), "a block of the README prints something"


def test_every_printed_command_exists() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^(?:\.venv/bin/)?dsocr ([a-z-]+)", text, re.M))
    assert named
    assert named <= set(COMMANDS)
