"""Runs on a Ray cluster of several nodes on this machine, of which some are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from itertools import count, islice

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import ray
from batch_runs import page_keys, shard_bytes
from page_server import PageServer, marked_pdf, picture_mark
from pyarrow import parquet
from ray_cluster import NODE, reading_actors, start_cluster, start_ray_run, wait_for

from deepseek_ocr_rag.batch import BatchSettings, run_batch
from deepseek_ocr_rag.sources.source import open_source

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # Ray's own
]


@pytest.fixture
def cluster(monkeypatch):
    # Its processes must find this checkout, and keep what the driver has installed.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    running = start_cluster()
    yield running
    ray.shutdown()
    running.shutdown()


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(12):
        # Their order is that of their names.
        (folder / f"{number:02}.pdf").write_bytes(marked_pdf(8, 1 + 8 * number))
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 damaged")
    return folder


def settings(server):
    return BatchSettings(
        backend=f"server:{server.url}", resolution="tiny", unit_pages=2, part_documents=3
    )


def test_a_run_that_lost_a_node_an_actor_and_its_driver_is_the_undisturbed_one(
    cluster, papers, tmp_path
):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "whole"), settings(server))
        pages = len(server.asked)
        server.asked.clear()
        server.seconds = 2.0
        node = cluster.add_node(**NODE)
        process = start_ray_run(papers, tmp_path / "out", settings(server), cluster.address)
        wait_for(lambda: len(server.asked) > pages // 4, process)
        cluster.remove_node(node, allow_graceful=False)
        killed = len(server.asked) + 2
        wait_for(lambda: len(server.asked) > killed, process)
        actors = reading_actors()
        assert actors
        os.kill(actors[0], signal.SIGKILL)
        killed = len(server.asked) + 2
        wait_for(lambda: len(server.asked) > killed, process)
        process.kill()
        process.wait()
        server.seconds = 0.0
        ray.init(address=cluster.address, log_to_driver=False)
        stored = {
            path.name.partition(".")[0] for path in (tmp_path / "out").glob("staged/*/*.rows")
        }
        before = len(server.asked)
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server), engine="ray")
        again = Counter(server.asked[before:])
    assert report.account.complete
    assert set(page_keys(tmp_path / "out").values()) == {1}
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")
    # What had been stored when the driver was killed is not read again.
    for name in stored:
        entry, first, last = map(int, name.split("-")[:3])
        marks = range(8 * entry + first, 8 * entry + last + 1)
        assert not any(again[mark] for mark in marks), name


@pytest.fixture
def corpus(shared, tmp_path):
    """190 documents of the corpus, another page of each, and 10 hostile ones."""
    found = sorted((shared / "corpus").rglob("*.pdf"))
    hostile = [path for path in found if "hostile" in path.parts][:10]
    usual = {path: pages_of(path) for path in found if "hostile" not in path.parts}
    pages = ((path, page) for page in count(1) for path, pages in usual.items() if page <= pages)
    lines = [{"uri": str(path), "id": f"hostile-{i}"} for i, path in enumerate(hostile)]
    lines += [
        {"uri": str(path), "id": f"usual-{i}", "pages": str(page)}
        for i, (path, page) in enumerate(islice(pages, 190))
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


def pages_of(path):
    with open_source(path) as source:
        return source.page_count


PART = 20


def marked_units(folder):
    """The (first entry, page, last page) of each unit that has a mark, or whose part has one."""
    # In this order: a unit goes only after its part is marked.
    units = {path.name.partition(".")[0] for path in folder.glob("staged/*/[!.]*.rows")}
    parts = {int(path.stem.removeprefix("part-")) for path in folder.glob("done/*.json")}
    return {tuple(map(int, unit.split("-")[:3])) for unit in units}, parts


def marks_of_pages(folder):
    """What the server called each page, by document and page; only those that no other shares."""
    marks = {
        (row["entry"], row["page"]): int(found[1])
        for path in sorted((folder / "pages").glob("part-*.parquet"))
        for row in parquet.read_table(path, columns=["entry", "page", "markdown"]).to_pylist()
        if (found := re.search(r"number (\d+)", row["markdown"]))
    }
    shared = Counter(marks.values())
    return {key: mark for key, mark in marks.items() if shared[mark] == 1}


def is_marked(key, marked):
    units, parts = marked
    entry, page = key
    return entry // PART in parts or any(
        unit[0] == entry and unit[1] <= page <= unit[2] for unit in units
    )


def test_200_documents_of_which_10_are_hostile_on_four_nodes(cluster, corpus, tmp_path):
    """One node killed at a third, one actor at two thirds, then the driver."""
    out = tmp_path / "out"
    seen = []

    def marked():
        units, parts = marked_units(out)
        return len(units) + PART * len(parts)

    with PageServer(seconds=0.2, mark_of=picture_mark) as server:

        def look():
            # In this order: what is asked while we look may have been marked meanwhile.
            found = marked_units(out)
            seen.append((found, len(server.asked)))

        given = BatchSettings(
            backend=f"server:{server.url}", resolution="tiny", unit_pages=8, part_documents=PART
        )
        nodes = [cluster.add_node(**NODE) for _ in range(3)]
        process = start_ray_run(corpus, out, given, cluster.address)
        wait_for(lambda: marked() >= 66, process, 900)
        look()
        cluster.remove_node(nodes[0], allow_graceful=False)
        wait_for(lambda: marked() >= 132 and bool(reading_actors()), process, 900)
        look()
        os.kill(reading_actors()[0], signal.SIGKILL)
        wait_for(lambda: marked() >= 150, process, 900)
        process.kill()
        process.wait()
        look()
        ray.init(address=cluster.address, log_to_driver=False)
        report = run_batch(str(corpus), str(out), given, engine="ray")
        asked = list(server.asked)
        server.seconds = 0.0
        whole = run_batch(str(corpus), str(tmp_path / "whole"), given)
    assert report.account.complete
    assert report.account.documents == 200
    keys = page_keys(out)
    assert len(keys) == report.account.expected
    assert set(keys.values()) == {1}
    assert {f"hostile-{i}" for i in range(10)} < {doc_id for doc_id, _ in keys}
    assert 0 < report.account.errors == whole.account.errors
    assert shard_bytes(out) == shard_bytes(tmp_path / "whole")
    marks = marks_of_pages(out)
    for found, before in seen:
        checked = {mark for key, mark in marks.items() if is_marked(key, found)}
        assert len(checked) > 30
        assert not checked.intersection(asked[before:])
