"""Everything is killed at random points (``benchmarks/service/kills.py``, shortened)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from page_server import marked_pdf

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "service" / "kills.py"


@pytest.mark.slow
def test_killing_loses_nothing_and_reads_nothing_twice(tmp_path):
    spec = importlib.util.spec_from_file_location("kills", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    kills = importlib.util.module_from_spec(spec)
    sys.modules["kills"] = kills
    spec.loader.exec_module(kills)
    documents = []
    for pages in (1, 30, 12):
        documents.append(tmp_path / f"{pages}.pdf")
        documents[-1].write_bytes(marked_pdf(pages))
    backend = kills.recording(tmp_path / "recording.jsonl")
    report = kills.run(tmp_path, backend, documents, kills=4, seed=3)
    assert (report.jobs, report.pages) == (3, 43)
    assert report.reads >= 43
    assert (report.lost, report.twice, report.different) == (0, 0, 0)
