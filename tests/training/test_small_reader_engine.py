"""The small reader through the engine of ``local``, here with its operations for the CPU."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from drawn_pages import DrawnPage, drawn_page, image_of

from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.weights.config import engine_config
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.prompts import TASKS, mode_named
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer, prompt_ids
from deepseek_ocr_rag.model.views import page_views

PROMPT = f"\n{TASKS['document'].prompt}"


@pytest.fixture(scope="module")
def pages() -> list[DrawnPage]:
    """Pages that were in no training."""
    return [drawn_page(random.Random(f"unseen page 5.{n}"), 0.12 * (n + 1)) for n in range(2)]


def words(text: str) -> str:
    return parse_page(text, recorded=False).markdown


def test_the_engine_reads_two_pages_at_once(checkpoint: Path, pages: list[DrawnPage]) -> None:
    found = find_checkpoint(checkpoint)
    tokenizer = ModelTokenizer.from_file(found.tokenizer)
    config = engine_config(json.loads((checkpoint / "config.json").read_text()))
    weights = load_weights(config, [checkpoint / "model.safetensors"], dtype=torch.float32)
    runner = Runner(config, weights, ReferenceOps(), slots=2, blocks=20)
    engine = Engine(runner, Scheduler(slots=2, blocks=20), 1024)
    try:
        running = []
        for each in pages:
            views = page_views(image_of(each), mode_named("tiny"), found.family)
            ids = prompt_ids(tokenizer, PROMPT, found.family.image_tokens(views.side, views.grid))
            running.append(engine.submit(PageTask(ids, views, found.family.no_repeat, 300)))
        texts = [tokenizer.decode(each.result(600).tokens) for each in running]
    finally:
        engine.close()
    assert [words(text) for text in texts] == [words(each.answer()) for each in pages]
