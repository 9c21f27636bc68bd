"""A run on this machine with a reading process for each card."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter

import pytest

pytest.importorskip("pyarrow")

from batch_runs import page_keys, shard_bytes, worker_pids
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag.batch import BatchSettings, run_batch
from deepseek_ocr_rag.batch.engines import local_engine
from deepseek_ocr_rag.batch.engines.local_engine import local_devices, local_units
from deepseek_ocr_rag.batch.page_units import PageUnit
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError, OutputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")


def test_two_processes_read_and_one_that_is_killed_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DSOCR_DEVICES", "cpu,cpu")
    papers = tmp_path / "papers"
    papers.mkdir()
    for number in range(8):
        (papers / f"{number}.pdf").write_bytes(marked_pdf(4, 1 + 4 * number))
    seen: set[int] = set()
    killed: list[int] = []
    lock = threading.Lock()

    def kill_one(mark):
        with lock:
            # On a busy machine the other process may be about to start.
            end = time.monotonic() + 60
            while not killed and time.monotonic() < end:
                seen.update(worker_pids(os.getpid()))
                if len(seen) == 2:
                    killed.append(min(seen))
                    os.kill(killed[0], signal.SIGKILL)
                time.sleep(0.02)

    with PageServer() as server:
        given = BatchSettings(
            backend=f"server:{server.url}",
            resolution="tiny",
            unit_pages=2,
            part_documents=3,
            units_at_once=1,
        )
        server.on_page = kill_one
        report = run_batch(str(papers), str(tmp_path / "two"), given)
        server.on_page = lambda mark: None
        monkeypatch.delenv("DSOCR_DEVICES")
        run_batch(str(papers), str(tmp_path / "one"), given)
    assert killed
    assert (report.account.complete, report.gpus) == (True, 2)
    assert set(page_keys(tmp_path / "two").values()) == {1}
    assert shard_bytes(tmp_path / "two") == shard_bytes(tmp_path / "one")


class Child:
    """Answers as :mod:`~deepseek_ocr_rag.batch.engines.batch_worker` says that it answers.

    On the card "bad" no backend works, on "gone" none can be made, on "full" nothing is stored.
    """

    def __init__(self, settings, folder, put, device):
        self.pid = 0
        self._put = put
        self._device = device
        if device == "gone":
            put({"failed": error("BackendUnavailableError")})
            put(None)
        else:
            put({"started": ["scripted", "none"]})

    def read(self, unit):
        kinds = {"bad": "BackendUnavailableError", "full": "OutputError"}
        if self._device == "gone":
            return
        if self._device in kinds:
            self._put({"failed": error(kinds[self._device]), "unit": unit.file_name})
            return
        self._put({"pages": 1, "errors": {}})
        self._put({"done": unit.file_name})

    def kill(self):
        pass

    def end(self):
        return "ended"


def error(kind):
    return {"type": kind, "problem": "it is broken", "source": None, "page": None, "remedy": None}


@pytest.fixture
def read(monkeypatch, tmp_path):
    monkeypatch.setattr(local_engine, "BatchWorkerChild", Child)
    units = [PageUnit(entry, "a", "a.pdf", "", "1", "") for entry in range(20)]
    folder = RunFolder(str(tmp_path))

    def run(*devices):
        found = local_units(iter(units), BatchSettings(), folder, lambda done: None, devices)
        return Counter(unit.entry for unit in found)

    return run


@pytest.mark.parametrize("wrong", ["bad", "gone"])
def test_what_a_broken_card_does_not_read_is_read_by_the_others(read, wrong, caplog):
    with caplog.at_level(logging.WARNING):
        assert read(wrong, "good") == Counter(range(20))
    assert caplog.text.count(f"{wrong} is left out: it is broken") == 1


@pytest.mark.parametrize("devices", [("bad",), ("bad", "gone"), ("gone", "gone")])
def test_without_a_card_that_works_the_run_ends(read, devices):
    with pytest.raises(BackendUnavailableError, match="it is broken"):
        read(*devices)


def test_a_full_disk_ends_the_run_and_is_not_blamed_on_the_card(read):
    with pytest.raises(OutputError):
        read("full", "good")


@pytest.mark.parametrize(
    ("named", "gpus", "devices"),
    [
        (None, None, (None,)),
        (None, 1, (None,)),
        (None, 2, ("cuda:0", "cuda:1")),
        ("cpu, cpu", None, ("cpu", "cpu")),
        ("cuda:1,cuda:3", 1, ("cuda:1",)),
    ],
)
def test_the_environment_and_the_number_of_cards_choose_the_devices(
    named, gpus, devices, monkeypatch
):
    monkeypatch.delenv("DSOCR_DEVICES", raising=False)
    if named:
        monkeypatch.setenv("DSOCR_DEVICES", named)
    assert local_devices(gpus) == devices


def test_more_cards_than_are_named_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("DSOCR_DEVICES", "cuda:0,cuda:1")
    with pytest.raises(ConfigurationError, match="names 2 cards, not 3"):
        local_devices(3)
    with pytest.raises(ConfigurationError, match="too small"):
        run_batch(str(tmp_path), str(tmp_path / "out"), gpus=0)
