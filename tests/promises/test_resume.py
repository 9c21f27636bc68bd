"""A process is killed while it reads: the next one resumes, and the output is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag import PageCache, Reader, ServerBackend

PROGRAM = Path(__file__).resolve().parents[1] / "support" / "killed_reads.py"
CONCURRENCY = 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("kills", "pages"), [(10, 60), pytest.param(50, 300, marks=pytest.mark.long)]
)
def test_a_read_that_is_killed_gives_the_same_and_reads_no_page_twice(tmp_path, kills, pages):
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(marked_pdf(pages))
    log = tmp_path / "log"
    cache = tmp_path / "cache"
    with PageServer(0.01) as server:
        arguments = [pdf, server.url, cache, log, kills, 6]
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        asked = [(int(key), mark) for key, mark in zip(server.keys, server.asked, strict=True)]
        with Reader(
            ServerBackend(server.url, model="deepseek-ocr"), resolution="tiny", cache=False
        ) as r:
            whole = [page.to_dict() for page in r.read(pdf, name="a.pdf")]
    told = json.loads(done.stdout)
    given = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    last = [each["page"] for each in given if each["run"] == kills]
    runs = Counter(each["run"] for each in given)
    finished: dict[int, int] = {}
    for each in given:
        finished.setdefault(each["page"]["number"], each["run"])
    twice = [(run, mark) for run, mark in asked if run > finished[mark]]
    under_way = len(asked) - pages
    print(
        f"{told['killed']} of {kills} processes killed while reading, {len(runs) - 1} of them after "
        f"pages; {told['orphans']} orphans; {len(twice)} finished pages read twice, {under_way} that were "
        "under way asked for again"
    )
    assert told == {"killed": told["killed"], "orphans": 0, "status": 0}
    assert told["killed"] > 0.6 * kills
    assert last == whole
    # A killed process yielded the same pages as one that reads to the end.
    assert all(each["page"] == whole[each["page"]["number"] - 1] for each in given)
    assert twice == []
    assert under_way <= CONCURRENCY * kills
    with PageCache(cache) as kept:
        assert (kept.status().pages, kept.status().set_aside) == (pages, ())
