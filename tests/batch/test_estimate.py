"""How good an estimate is."""

from __future__ import annotations

import json
import random

import pytest

pytest.importorskip("pyarrow")

from page_server import PageServer, marked_pdf

from deepseek_ocr_rag.batch import BatchSettings, estimate_batch, run_batch
from deepseek_ocr_rag.errors import ConfigurationError


def test_the_range_of_a_sample_holds_the_true_number_of_pages(tmp_path):
    chance = random.Random(1)
    for pages in (1, 2, 5, 9):
        (tmp_path / f"{pages}.pdf").write_bytes(marked_pdf(pages))
    drawn = [chance.choice((1, 2, 5, 9)) for _ in range(400)]
    lines = [json.dumps({"uri": f"{pages}.pdf"}) for pages in drawn]
    (tmp_path / "m.jsonl").write_text("\n".join(lines), "utf-8")
    found = estimate_batch(str(tmp_path / "m.jsonl"), pages_per_second=10.0, gpus=4)
    assert found.documents == 400
    assert found.sampled == 60
    assert found.pages.low <= sum(drawn) <= found.pages.high
    assert found.pages.likely == pytest.approx(sum(drawn), rel=0.3)
    assert found.hours.likely == pytest.approx(found.pages.likely / 10 / 4 / 3600)
    assert found.gpu_hours.likely == pytest.approx(4 * found.hours.likely)


def test_documents_that_cannot_be_opened_are_told(tmp_path):
    (tmp_path / "good.pdf").write_bytes(marked_pdf(2))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 damaged")
    assert estimate_batch(str(tmp_path), pages_per_second=1.0).unreadable == 0.5
    (tmp_path / "good.pdf").unlink()
    with pytest.raises(ConfigurationError, match="none of the documents"):
        estimate_batch(str(tmp_path), pages_per_second=1.0)


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"pages_per_second": -1.0}])
def test_numbers_that_cannot_be_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigurationError, match="not positive"):
        estimate_batch(str(tmp_path), **wrong)


@pytest.mark.long
def test_an_estimate_is_what_the_run_takes(tmp_path):
    """A server that needs two seconds for each page, so that other work on the machine hardly counts."""
    papers = tmp_path / "papers"
    papers.mkdir()
    for number in range(15):
        (papers / f"{number}.pdf").write_bytes(marked_pdf(40, 1 + 40 * number))
    with PageServer(seconds=2.0) as server:
        settings = BatchSettings(backend=f"server:{server.url}", resolution="tiny", unit_pages=8)
        found = estimate_batch(str(papers), settings)
        report = run_batch(str(papers), str(tmp_path / "out"), settings)
    assert found.read_pages < 600 / 2
    assert report.account.complete
    print(f"estimated {3600 * found.hours.likely:.1f} s, took {report.seconds:.1f} s")
    assert 3600 * found.hours.likely == pytest.approx(report.seconds, rel=0.15)
