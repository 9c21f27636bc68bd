"""``run.json``, which somebody may have changed."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.batch import BatchSettings
from deepseek_ocr_rag.batch.run_file import RUN_FILE, RunFile
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder


@pytest.mark.parametrize("wrong", [7, {}, {"seconds": "many", "cards": 1}, {"seconds": 2.0}])
def test_only_a_start_that_says_its_time_and_cards_counts(tmp_path, wrong):
    folder, settings = RunFolder(str(tmp_path)), BatchSettings()
    RunFile(folder, settings, "papers", "local").write(2, {"state": "running"})
    kept = folder.read_json(RUN_FILE)
    kept["starts"] = [{"seconds": 5.0, "cards": 2}, wrong]
    folder.write_json(RUN_FILE, kept)
    again = RunFile(folder, settings, "papers", "local")
    assert (again.starts, again.earlier_card_seconds) == (2, 10.0)
