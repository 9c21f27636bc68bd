"""Runs on this machine: what they write, and that killing anything loses and repeats nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter

import pytest

pytest.importorskip("pyarrow")

from batch_runs import page_keys, shard_bytes, start_run, worker_pids
from page_server import PageServer, marked_pdf
from pyarrow import parquet

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.batch import BatchSettings, run_batch
from deepseek_ocr_rag.errors import ConfigurationError, OutputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")

PAGES = {"a": 3, "b": 10, "c": 1, "d": 6}


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    first = 1
    for name, pages in PAGES.items():
        (folder / f"{name}.pdf").write_bytes(marked_pdf(pages, first))
        first += pages
    (folder / "e.pdf").write_bytes(b"%PDF-1.4 damaged")
    return folder


def expected(papers):
    keys = {(str(papers / f"{n}.pdf"), p): 1 for n, c in PAGES.items() for p in range(1, c + 1)}
    return Counter({**keys, (str(papers / "e.pdf"), 0): 1})


def settings(server, **more):
    return BatchSettings(
        **{"backend": f"server:{server.url}", "resolution": "tiny", "unit_pages": 4}
        | {"part_documents": 2}
        | more
    )


def test_every_page_is_there_once(papers, tmp_path):
    with PageServer() as server:
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server))
    assert page_keys(tmp_path / "out") == expected(papers)
    assert report.account.complete
    assert (report.account.pages, report.account.errors) == (20, 1)
    assert report.account.kinds == {"CorruptSourceError": 1}
    assert json.loads((tmp_path / "out/run.json").read_bytes())["state"] == "complete"


def test_pages_are_those_that_a_reader_gives_with_sections_across_units(papers, tmp_path):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        read = Reader(f"server:{server.url}", resolution="tiny", cache=False).read(papers / "b.pdf")
    rows = parquet.read_table(tmp_path / "out/pages/part-00000000.parquet").to_pylist()
    rows = [row for row in rows if row["doc_id"].endswith("b.pdf")]
    assert [row["markdown"] for row in rows] == [page.markdown for page in read]
    assert [row["blocks"][-1]["section"] for row in rows] == [
        list(page.blocks[-1].section) for page in read
    ]
    assert rows[4]["blocks"][0]["section"] == list(read.pages[4].blocks[0].section)


def test_a_second_call_reads_nothing_again(papers, tmp_path):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        before, asked = shard_bytes(tmp_path / "out"), len(server.asked)
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server))
        assert (shard_bytes(tmp_path / "out"), len(server.asked)) == (before, asked)
    assert report.account.complete


def test_a_folder_of_other_settings_is_refused(papers, tmp_path):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        with pytest.raises(ConfigurationError, match="other settings"):
            run_batch(str(papers), str(tmp_path / "out"), settings(server, resolution="base"))


def test_a_manifest_that_changed_is_refused(papers, tmp_path):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        (papers / "0.pdf").write_bytes(marked_pdf(1))
        with pytest.raises(OutputError, match="manifest has changed"):
            run_batch(str(papers), str(tmp_path / "out"), settings(server))


def test_what_was_lost_afterwards_is_named(papers, tmp_path):
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        shard = tmp_path / "out/pages/part-00000001.parquet"
        table = parquet.read_table(shard)
        parquet.write_table(table.slice(0, table.num_rows - 2), shard)
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server))
    assert not report.account.complete
    assert report.account.missing == (f"{papers / 'd.pdf'}, pages 5-6: not exactly once",)


def test_results_stand_on_an_object_store_as_well(papers, tmp_path):
    """fsspec's file system for folders stands for one of another machine: no rename, no sync."""
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
        run_batch(str(papers), f"dir://{tmp_path / 'far'}", settings(server))
    assert shard_bytes(tmp_path / "far") == shard_bytes(tmp_path / "out")


def test_a_page_that_ends_its_process_is_left_out_and_no_other(papers, tmp_path):
    killed = []

    def kill_reader(mark):
        if mark == 9:  # page 6 of b.pdf
            killed.extend(worker_pids(os.getpid()))
            for pid in worker_pids(os.getpid()):
                os.kill(pid, signal.SIGKILL)

    with PageServer() as server:
        server.on_page = kill_reader
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server))
    assert report.account.complete
    assert page_keys(tmp_path / "out") == expected(papers)
    errors = [
        (row["doc_id"], row["page"], row["error_type"])
        for path in (tmp_path / "out/errors").iterdir()
        for row in parquet.read_table(path).to_pylist()
    ]
    assert sorted(errors) == [
        (str(papers / "b.pdf"), 6, "EngineLostError"),
        (str(papers / "e.pdf"), 0, "CorruptSourceError"),
    ]
    assert len(set(killed)) == 4


@pytest.mark.slow
def test_killing_driver_and_reader_at_random_changes_no_byte(papers, tmp_path):
    chance = random.Random(5)
    with PageServer() as server:
        run_batch(str(papers), str(tmp_path / "whole"), settings(server))
        whole = shard_bytes(tmp_path / "whole")
        server.asked.clear()
        server.seconds = 0.1
        out, kills = tmp_path / "out", 0
        for _ in range(6):
            process = start_run(papers, out, f"server:{server.url}")
            begun = len(server.asked)
            wanted = begun + chance.randint(0, 5)
            while len(server.asked) < wanted and process.poll() is None:
                time.sleep(0.01)
            if process.poll() is not None:
                break
            if chance.random() < 0.4:
                for pid in worker_pids(process.pid):
                    os.kill(pid, signal.SIGKILL)
                time.sleep(chance.random())
            process.kill()
            process.wait()
            kills += 1
        server.seconds = 0.0
        report = run_batch(str(papers), str(out), settings(server))
        assert report.account.complete
        assert kills >= 3
        assert shard_bytes(out) == whole
        # Only what had not been stored is asked for again: at most the units under way.
        again = sum(count - 1 for count in Counter(server.asked).values())
        assert again <= 2 * kills * 6 * 4
