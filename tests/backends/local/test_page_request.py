"""What a page's request tells the engine's process arrives in the engine's task."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

pytest.importorskip("torch")

from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.local.engine_worker import _EngineServer
from deepseek_ocr_rag.backends.local.reading import FIRST_PAGES, engine_request
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.concurrency.frames import Frame, StreamedFrame
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES, TASKS
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOKENIZER = Path(__file__).parents[2] / "support" / "small_reader_files" / "tokenizer.json"
FAMILY = FAMILIES["deepseek-ocr"]


@pytest.mark.parametrize(("number", "priority"), [(FIRST_PAGES - 1, 0), (FIRST_PAGES, 1)])
def test_a_task_has_the_rank_of_its_page_and_knows_how_many_follow(number, priority) -> None:
    settings = ModelSettings(
        FAMILY, ModelTokenizer.from_file(TOKENIZER), 8192, FAMILY.no_repeat
    )  # fmt: skip
    page = Image.new("RGB", (64, 90), "white")
    asked = PageRequest(
        7, 8, "a.pdf", "", page, None, TASKS["free"], MODES["tiny"], following=41
    )  # fmt: skip
    frame = engine_request(settings, asked, settings.first(asked), number).frame(7)
    assert isinstance(frame, StreamedFrame)
    server = _EngineServer(
        cast("Any", None), cast("Any", SimpleNamespace(family=FAMILY)), cast("Any", None)
    )
    task = server._task(7, Frame(frame.message, bytearray(b"".join(frame.pieces))))
    assert (task.priority, task.following) == (priority, 41)
    assert task.picture.pixels.shape == (90, 64, 4)
