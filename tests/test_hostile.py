"""Files that were made, or collected, to break readers: each ends in pages or in a typed error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource", reason="peak memory is not told here")

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "benchmarks" / "hostile.py"
CHUNKS = 3
PEAK_MB = 2048


def outcomes(files, renderer):
    """What became of each file, read in one process of its own; a dead process names the file."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), "--worker", "--renderer", renderer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    out, err = process.communicate("".join(f"{file}\n" for file in files), timeout=120)
    lines = [json.loads(line) for line in out.splitlines()]
    started = [line["start"] for line in lines if "start" in line]
    assert process.returncode == 0, f"died of {started[-1:]}: {err[-2000:]}"
    return {line["path"]: (line["outcome"], line["detail"]) for line in lines if "path" in line}


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("renderer", ["pdfium", "pymupdf"])
def test_every_hostile_file_ends_in_pages_or_in_a_typed_error(shared, renderer, chunk):
    if renderer == "pymupdf":
        pytest.importorskip("pymupdf")
    folder = shared / "corpus" / "hostile"
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())[chunk::CHUNKS]
    assert len(files) > 10
    found = outcomes(files, renderer)
    assert set(found) == set(files)
    wrong = {path: what for path, what in found.items() if what[0] not in ("pages", "typed")}
    assert wrong == {}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak / (1024 * 1024 if sys.platform == "darwin" else 1024) < PEAK_MB
