"""``dsocr batch`` and ``dsocr estimate`` as they are typed."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("pyarrow")

from page_server import marked_pdf

from deepseek_ocr_rag.batch.batch_progress import BatchProgress
from deepseek_ocr_rag.cli import main as cli
from deepseek_ocr_rag.cli.batches.batch_command import progress_line


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.pdf").write_bytes(marked_pdf(4))
    return folder


@pytest.fixture
def recording(tmp_path):
    """The fourth page is not in it, so that it fails."""
    path = tmp_path / "replies.jsonl"
    lines = [json.dumps({"page": number, "text": f"Page {number}"}) for number in (1, 2, 3)]
    path.write_text("\n".join(lines), "utf-8")
    return f"replay:{path}"


def test_pages_that_failed_are_told_and_the_exit_code_is_6(papers, recording, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert cli.main(["batch", str(papers), "-o", out, "--backend", recording, "-q"]) == 6
    printed = capsys.readouterr()
    assert "3 documents: 9 pages read, 3 errors" in printed.out
    assert "BackendReplyError, 3 times: " in printed.err


def test_all_pages_read_is_0_and_missing_ones_are_1_by_name(papers, recording, tmp_path, capsys):
    manifest = tmp_path / "manifest.jsonl"
    lines = [{"uri": f"papers/{name}.pdf", "id": name, "pages": "1-3"} for name in "ab"]
    manifest.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    command = ["batch", str(manifest), "-o", str(tmp_path / "out"), "--backend", recording, "-q"]
    assert cli.main(command) == 0
    (tmp_path / "out/pages/part-00000000.parquet").unlink()
    capsys.readouterr()
    assert cli.main(command) == 1
    assert "pages/part-00000000.parquet: not there" in capsys.readouterr().err


def test_a_backend_that_is_not_there_ends_the_run(papers, tmp_path, capsys):
    command = ["batch", str(papers), "-o", str(tmp_path / "out"), "--backend", "replay:none.jsonl"]
    assert cli.main(command) == 4
    assert "none.jsonl cannot be read" in capsys.readouterr().err


def test_without_the_extra_its_pip_line_is_told(papers, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli.main(["batch", str(papers), "-o", str(tmp_path / "out")]) == 7
    assert "[batch]" in capsys.readouterr().err


def test_a_small_manifest_is_estimated_without_doubt_about_its_pages(papers, recording, capsys):
    command = ["estimate", str(papers), "--backend", recording, "--gpu-price", "3", "--json"]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["documents"] == found["sampled"] == 3
    assert found["pages"] == {"low": 12, "likely": 12, "high": 12}
    assert found["read_pages"] > 0
    assert found["money"]["likely"] == pytest.approx(3 * found["hours"]["likely"])
    assert found["storage"]["likely"] > 12 * 100


def test_a_given_rate_is_taken_and_nothing_is_read(papers, capsys):
    command = ["estimate", str(papers), "--backend", "replay:none", "--pages-per-second", "2"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "hours              0.00 (0.00 to 0.00)" in printed
    assert "2.00, as given" in printed


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ({"": 3.0}, "3.0 pages/s, 0 h 02 min left"),
        ({"cuda:0": 1.0, "cuda:1": 2.0}, "3.0 pages/s (cuda:0: 1.0, cuda:1: 2.0), 0 h 02 min left"),
        (
            {f"card {i}": 0.5 + i for i in range(6)},
            "3.0 pages/s (6 cards, card 0: 0.5 to 5.5), 0 h 02 min left",
        ),
    ],
)
def test_progress_has_the_errors_by_kind_and_the_rate_of_each_card(rates, shown):
    kinds = {"PageRenderError": 2, "PasswordError": 1}
    progress = BatchProgress(3, 9, 40, 3, 3.0, 120.0, kinds, rates)
    assert progress_line(progress) == (
        "3 of 9 documents, 40 pages, 3 errors (2 PageRenderError, 1 PasswordError), " + shown
    )
