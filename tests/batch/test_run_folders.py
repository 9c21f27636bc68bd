"""What a run finds in its folder and in its manifest before it reads, and what it was asked to write."""

from __future__ import annotations

from pathlib import PurePath

import pytest

pytest.importorskip("pyarrow")

from page_server import PageServer, marked_pdf
from pyarrow import parquet

from deepseek_ocr_rag.batch import BatchSettings, PageUnit, run_batch
from deepseek_ocr_rag.batch.output.staged_units import StagedUnits
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.batch.stored_pages import PageRow
from deepseek_ocr_rag.errors import ConfigurationError, OutputError

PAGES = {"a": 3, "b": 2}


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    for name, pages in PAGES.items():
        (folder / f"{name}.pdf").write_bytes(marked_pdf(pages))
    return folder


@pytest.fixture(scope="module")
def server():
    with PageServer() as running:
        yield running


def settings(server, **more):
    return BatchSettings(**{"backend": f"server:{server.url}", "resolution": "tiny", **more})


def test_a_second_run_in_a_folder_at_the_same_time_is_refused(papers, tmp_path, server):
    asked = len(server.asked)
    held = RunFolder(str(tmp_path / "out")).held()
    with held, pytest.raises(OutputError, match="another process is writing"):
        run_batch(str(papers), str(tmp_path / "out"), settings(server))
    assert len(server.asked) == asked


def test_a_mistake_far_below_is_told_before_the_first_page_is_read(papers, tmp_path, server):
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(f'{{"uri": "{papers}/a.pdf"}}\n' * 20 + '{"url": "b.pdf"}\n', "utf-8")
    asked = len(server.asked)
    with pytest.raises(ConfigurationError, match="line 21: it has no 'uri'"):
        run_batch(str(manifest), str(tmp_path / "out"), settings(server, part_documents=1))
    assert len(server.asked) == asked


def test_another_document_in_a_line_is_not_taken_for_the_one_that_was_stored(
    papers, tmp_path, server
):
    """As after a run that was killed, when a file was replaced or its line changed."""
    folder = RunFolder(str(tmp_path / "out"))
    other = PageUnit(0, "a", "a.pdf", "ab" * 32, "1-3", "")
    rows = [PageRow(0, "a", "a.pdf", "ab" * 32, page, 3, markdown="other") for page in (1, 2, 3)]
    StagedUnits(folder, part_documents=2).store(other, rows)
    report = run_batch(f"{papers}/a.pdf", folder.uri, settings(server))
    assert report.account.complete
    table = parquet.read_table(tmp_path / "out/pages/part-00000000.parquet")
    assert "other" not in table["markdown"].to_pylist()


def test_records_are_chunks_if_that_is_asked_for(papers, tmp_path, server):
    chunked = settings(server, chunk_tokens=16)
    run_batch(f"{papers}/[ab].pdf", str(tmp_path / "out"), chunked)
    rows = parquet.read_table(tmp_path / "out/documents/part-00000000.parquet").to_pylist()
    assert {(PurePath(row["doc_id"]).stem, row["page"]) for row in rows} == {
        (name, page) for name in "ab" for page in range(1, 1 + PAGES[name])
    }
    assert all(len(row["page_content"].split()) < 16 for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    with pytest.raises(ConfigurationError, match="too short"):
        settings(server, chunk_tokens=15)
