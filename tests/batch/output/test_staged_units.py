"""What waits for its shard comes back as it was stored."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("orjson")

from deepseek_ocr_rag.batch.output.staged_units import StagedUnits
from deepseek_ocr_rag.batch.page_units import PageUnit
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.batch.stored_pages import PageRow
from deepseek_ocr_rag.document.types import Block, Box

UNIT = PageUnit(0, "report", "report.pdf", "ab" * 32, "1-2", "cd" * 32)


def stored(tmp_path: Path, *rows: PageRow) -> list[PageRow]:
    staged = StagedUnits(RunFolder(str(tmp_path)), part_documents=10)
    staged.store(UNIT, rows)
    return list(staged.rows(UNIT))


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    block = Block("text", "Zeile\u2028eins\r\n标题", (Box(0.1, 0.25, 1 / 3, 1.0),), (0, 13))
    first = PageRow(0, "report", "r.pdf", "ab", 1, 2, markdown="a\n\nb", blocks=(block,))
    second = PageRow(0, "report", "r.pdf", "ab", 2, 2, status="error", error="no", tokens=7)
    assert stored(tmp_path, first, second) == [first, second]


def test_a_message_with_half_a_character_loses_that_and_nothing_else(tmp_path: Path) -> None:
    row = PageRow(0, "report", "r.pdf", "ab", 1, error="no file 'a\udcff.pdf': 名")
    assert [each.error for each in stored(tmp_path, row)] == ["no file 'a?.pdf': 名"]
