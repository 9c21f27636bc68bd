"""Runs on this machine: what they write, and that killing anything loses and repeats nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import PurePath

import pytest

pytest.importorskip("pyarrow")

from batch_runs import page_keys, shard_bytes, start_run, worker_pids
from page_server import PageServer, marked_pdf, text_of
from pyarrow import parquet

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.batch import BatchSettings, run_batch
from deepseek_ocr_rag.batch.output.shards import ShardWriter
from deepseek_ocr_rag.errors import ConfigurationError, OutputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")

PAGES = {"a": 3, "b": 10, "c": 1, "d": 6}


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    first = 1
    for name, pages in PAGES.items():
        (folder / f"{name}.pdf").write_bytes(marked_pdf(pages, first))
        first += pages
    (folder / "e.pdf").write_bytes(b"%PDF-1.4 damaged")
    return folder


def text_with_few_headings(mark):
    """Most pages are in the section of a page before; some units begin with such a page."""
    whole = text_of(mark)
    return whole if mark % 3 == 1 else whole[whole.index("<|ref|>text") :]


@pytest.fixture(scope="module")
def server():
    with PageServer() as running:
        running.text = text_with_few_headings
        yield running


@pytest.fixture(scope="module")
def whole(papers, server, tmp_path_factory):
    """A run that nothing disturbed, and its report."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_batch(str(papers), str(folder), settings(server))


@pytest.fixture
def out(whole, tmp_path):
    """A copy of it, to be changed."""
    shutil.copytree(whole[0], tmp_path / "out")
    return tmp_path / "out"


def expected(papers):
    keys = {(str(papers / f"{n}.pdf"), p): 1 for n, c in PAGES.items() for p in range(1, c + 1)}
    return Counter({**keys, (str(papers / "e.pdf"), 0): 1})


def settings(server, **more):
    given = {"backend": f"server:{server.url}", "resolution": "tiny", "unit_pages": 4}
    return BatchSettings(**{**given, "part_documents": 2, **more})


def test_every_page_is_there_once(papers, whole):
    folder, report = whole
    assert page_keys(folder) == expected(papers)
    assert report.account.complete
    assert (report.account.pages, report.account.errors) == (20, 1)
    assert report.account.kinds == {"CorruptSourceError": 1}
    assert json.loads((folder / "run.json").read_bytes())["state"] == "complete"
    told = "Every page is accounted for: 20 were read, 1 are errors."
    assert told in (folder / "report.md").read_text("utf-8")


def test_pages_are_those_that_a_reader_gives_with_sections_across_units(papers, whole, server):
    read = Reader(f"server:{server.url}", resolution="tiny", cache=False).read(papers / "b.pdf")
    rows = parquet.read_table(whole[0] / "pages/part-00000000.parquet").to_pylist()
    rows = [row for row in rows if row["doc_id"].endswith("b.pdf")]
    assert [row["markdown"] for row in rows] == [page.markdown for page in read]
    sections = [[block["section"] for block in row["blocks"]] for row in rows]
    assert sections == [[list(block.section) for block in page.blocks] for page in read]
    assert sections[4][0] != []  # the first block of a unit is still in the section before it


def test_a_second_call_reads_nothing_again(papers, out, server):
    before, asked = shard_bytes(out), len(server.asked)
    report = run_batch(str(papers), str(out), settings(server))
    assert (shard_bytes(out), len(server.asked)) == (before, asked)
    assert report.account.complete
    starts = json.loads((out / "run.json").read_bytes())["starts"]
    assert [each["cards"] for each in starts] == [1, 1]
    assert report.gpu_hours == pytest.approx(
        sum(each["seconds"] for each in starts) / 3600, abs=1e-3
    )


def test_what_a_killed_process_had_begun_to_write_is_removed(papers, out, server):
    before = shard_bytes(out)
    for folder in ("pages", "errors", "documents", "done"):
        (out / folder / ".part-00000000.parquet.4711-0a1b2c3d").touch()
    (out / "pages" / ".DS_Store").touch()
    assert run_batch(str(papers), str(out), settings(server)).account.complete
    (out / "pages" / ".DS_Store").unlink()
    assert shard_bytes(out) == before
    assert not list((out / "done").glob(".*"))


def test_a_part_that_is_marked_after_a_first_look_is_not_read_again(
    papers, out, server, monkeypatch
):
    """A task on another machine may write a part while a new driver begins."""
    finished, looked = ShardWriter.finished, set()

    def late(self, part):
        if part.number not in looked:
            looked.add(part.number)
            return None
        return finished(self, part)

    monkeypatch.setattr(ShardWriter, "finished", late)
    before, asked = shard_bytes(out), len(server.asked)
    report = run_batch(str(papers), str(out), settings(server))
    assert report.account.complete
    assert (shard_bytes(out), len(server.asked)) == (before, asked)


def test_a_folder_of_other_settings_is_refused_and_they_are_named(papers, out, server):
    differing = r"other settings \(resolution: tiny there, base now\)"
    with pytest.raises(ConfigurationError, match=differing):
        run_batch(str(papers), str(out), settings(server, resolution="base"))


def test_a_manifest_that_changed_is_refused(papers, out, server):
    with pytest.raises(OutputError, match="manifest has changed"):
        run_batch(f"{papers}/[bcde].pdf", str(out), settings(server))


def test_what_was_lost_afterwards_is_named(papers, out, server):
    shard = out / "pages/part-00000001.parquet"
    table = parquet.read_table(shard)
    parquet.write_table(table.slice(0, table.num_rows - 2), shard)
    report = run_batch(str(papers), str(out), settings(server))
    assert not report.account.complete
    assert report.account.missing == (f"{papers / 'd.pdf'}, pages 5-6: not exactly once",)


def test_results_stand_on_an_object_store_as_well(papers, whole, server, tmp_path):
    """fsspec's file system for this machine stands for one of another: no rename, no sync."""
    (tmp_path / "far").mkdir()
    run_batch(str(papers), f"local://{tmp_path / 'far'}", settings(server))
    assert shard_bytes(tmp_path / "far") == shard_bytes(whole[0])


def test_a_page_that_ends_its_process_is_left_out_and_no_other(papers, server, tmp_path):
    killed = []

    def kill_reader(mark):
        if mark == 9:  # page 6 of b.pdf
            killed.extend(worker_pids(os.getpid()))
            for pid in worker_pids(os.getpid()):
                os.kill(pid, signal.SIGKILL)

    server.on_page = kill_reader
    try:
        report = run_batch(str(papers), str(tmp_path / "out"), settings(server))
    finally:
        server.on_page = lambda mark: None
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


def stored_marks(folder):
    """What the server is asked for the pages that are stored, in a shard or before."""
    first = {"a": 1, "b": 4, "c": 14, "d": 15}
    marks = {
        first[PurePath(doc_id).stem] + page - 1
        for doc_id, page in (page_keys(folder) if (folder / "pages").is_dir() else ())
        if page
    }
    for path in folder.glob("staged/*/[!.]*.rows"):
        entry, begin, end = map(int, path.name.split("-")[:3])
        marks |= {first["abcd"[entry]] + page - 1 for page in range(begin, end + 1)}
    return marks


@pytest.mark.slow
def test_killing_driver_and_reader_at_random_changes_no_byte(papers, whole, server, tmp_path):
    chance = random.Random(5)
    server.asked.clear()
    server.seconds = 0.1
    out, kills = tmp_path / "out", 0
    for _ in range(6):
        asked, stored = len(server.asked), stored_marks(out)
        process = start_run(papers, out, f"server:{server.url}")
        wanted = len(server.asked) + chance.randint(0, 5)
        while len(server.asked) < wanted and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        if chance.random() < 0.4:
            for pid in worker_pids(process.pid):
                with suppress(ProcessLookupError):  # it may just have ended
                    os.kill(pid, signal.SIGKILL)
            time.sleep(chance.random())
        process.kill()
        process.wait()
        kills += 1
        assert not stored & set(server.asked[asked:])
    server.seconds = 0.0
    report = run_batch(str(papers), str(out), settings(server))
    assert report.account.complete
    assert kills >= 3
    assert shard_bytes(out) == shard_bytes(whole[0])
