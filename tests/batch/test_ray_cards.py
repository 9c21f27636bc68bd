"""Cards of a Ray cluster: each reads from the start, and one that is gone stops nothing.

The cards are numbers that Ray counts; a server does the reading.
"""

from __future__ import annotations

import os
import sys
import warnings

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import ray
from batch_runs import page_keys
from page_server import PageServer, marked_pdf
from ray.util.annotations import RayDeprecationWarning
from ray_cluster import NODE, reading_actors, start_cluster, start_ray_run, wait_for

from deepseek_ocr_rag.batch import BatchSettings, run_batch

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # Ray's own
]

CARD = {**NODE, "num_gpus": 1}


@pytest.fixture
def cluster(monkeypatch):
    """A machine with a card."""
    # Its processes must find this checkout, and keep what the driver has installed.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    running = start_cluster(num_gpus=1)
    yield running
    ray.shutdown()
    running.shutdown()


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.pdf").write_bytes(marked_pdf(8, 1 + 8 * number))
    return folder


def settings(server):
    return BatchSettings(backend=f"server:{server.url}", resolution="tiny", unit_pages=2)


def test_all_cards_read_and_one_that_vanishes_or_is_not_free_stops_nothing(
    cluster, papers, tmp_path
):
    other = cluster.add_node(**CARD)
    with PageServer(seconds=1.0) as server:
        process = start_ray_run(papers, tmp_path / "out", settings(server), cluster.address)
        wait_for(lambda: len(reading_actors()) == 2, process)
        assert len(server.asked) < 64 / 2
        wait_for(lambda: len(server.asked) >= 16, process)
        cluster.remove_node(other, allow_graceful=False)
        assert process.wait(300) == 0
    found = page_keys(tmp_path / "out")
    assert (len(found), set(found.values())) == (64, {1})

    # Ray counts a card that another program holds among those of the cluster.
    other = cluster.add_node(**CARD)
    ray.init(address=cluster.address, log_to_driver=False)
    held = ray.remote(num_gpus=1)(type("Held", (), {"there": lambda self: True})).remote()
    assert ray.get(held.there.remote())
    with PageServer() as server, warnings.catch_warnings():
        warnings.simplefilter("error", RayDeprecationWarning)
        report = run_batch(str(papers), str(tmp_path / "held"), settings(server), engine="ray")
    assert (report.account.complete, report.gpus) == (True, 2)
