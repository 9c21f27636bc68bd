"""How good an estimate is."""

from __future__ import annotations

import json
import random

import pytest

pytest.importorskip("pyarrow")

from page_server import marked_pdf

from deepseek_ocr_rag.batch import estimate_batch
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
