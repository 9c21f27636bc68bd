"""Everything is killed at random points (``benchmarks/service/kills.py``, shortened)."""

from __future__ import annotations

import sys

import pytest
from benchmark_scripts import load_benchmark
from page_server import marked_pdf

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")


@pytest.mark.slow
def test_killing_loses_nothing_and_reads_nothing_twice(tmp_path):
    kills = load_benchmark("service/kills.py")
    documents = []
    for pages in (1, 30, 12):
        documents.append(tmp_path / f"{pages}.pdf")
        documents[-1].write_bytes(marked_pdf(pages))
    backend = kills.recording(tmp_path / "recording.jsonl")
    report = kills.run(tmp_path, backend, documents, kills=4, seed=3)
    assert (report.jobs, report.pages) == (3, 43)
    assert report.reads >= 43
    assert (report.lost, report.twice, report.different) == (0, 0, 0)
