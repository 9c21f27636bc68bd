"""Runs on a Ray cluster of several nodes on this machine, of which some are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import ray
from batch_runs import page_keys, shard_bytes
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag.batch import BatchSettings, run_batch

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default"),  # Ray's own
]

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    # Its processes must find this checkout, and keep what the driver has installed.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    running = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield running
    ray.shutdown()
    running.shutdown()


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.pdf").write_bytes(marked_pdf(8, 1 + 8 * number))
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 damaged")
    return folder


def settings(server):
    return BatchSettings(
        backend=f"server:{server.url}", resolution="tiny", unit_pages=2, part_documents=3
    )


DRIVER = """
import sys, json
from deepseek_ocr_rag.batch import BatchSettings, run_batch
import ray
ray.init(address=sys.argv[4], log_to_driver=False)
run_batch(sys.argv[1], sys.argv[2], BatchSettings.from_dict(json.loads(sys.argv[3])), engine="ray")
"""


def reading_actors():
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if any("MapWorker" in part for part in each.info["cmdline"] or ())
    ]


def wait_for(reached, process, seconds=300):
    end = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, "the driver ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_run_that_lost_a_node_an_actor_and_its_driver_is_the_undisturbed_one(
    cluster, papers, tmp_path
):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "whole"), settings(server))
        pages = len(server.asked)
        server.asked.clear()
        server.seconds = 2.0
        node = cluster.add_node(**NODE)
        arguments = (papers, tmp_path / "out", json.dumps(settings(server).to_dict()))
        command = [sys.executable, "-c", DRIVER, *map(str, arguments), cluster.address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
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
        entry, first, last = map(int, name.split("-"))
        marks = range(8 * entry + first, 8 * entry + last + 1)
        assert not any(again[mark] for mark in marks), name
