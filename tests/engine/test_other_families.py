"""Unlimited-OCR and DeepSeek-OCR-2 write, token for token, what transformers writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from tiny_engine import SECOND

from deepseek_ocr_rag.backends.transformers.generation import generate
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.weights.config import EngineConfig, engine_config
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import PagePrompt
from deepseek_ocr_rag.model.tokenizer import BOS, IMAGE
from deepseek_ocr_rag.model.views import PageViews

TOKENS = 40
"""Five times Unlimited-OCR's window in the tiny model."""

SIDES = {"unlimited-ocr": (512, 640), "deepseek-ocr-2": (768, 1024)}
"""Of two pages: views without tiles, since transformers' tower takes seconds for each."""


@pytest.fixture(params=SIDES)
def family(request) -> str:
    return request.param


@pytest.fixture
def folder(family, tmp_path) -> Path:
    return tiny_models.write_model(tmp_path / "model", family)


@pytest.fixture
def config(family, folder) -> EngineConfig:
    if family == "deepseek-ocr-2":
        return SECOND
    return engine_config(json.loads((folder / "config.json").read_text()))


@pytest.fixture
def engine(folder, config) -> Iterator[Engine]:
    weights = load_weights(config, [folder / "model.safetensors"], dtype=torch.float32)
    runner = Runner(config, weights, ReferenceOps(), slots=2, blocks=40)
    made = Engine(runner, Scheduler(slots=2, blocks=40), 1024)
    yield made
    made.close()


def page(side: int, family: str) -> PagePrompt:
    pixels = np.random.default_rng(side).integers(0, 256, (3, side, side), np.uint8)
    views = PageViews(pixels, np.empty((0, 3, 640, 640), np.uint8), None)
    count = FAMILIES[family].image_tokens(side, None)
    ids = (BOS, *[IMAGE] * count, 70, 71, 72)
    return PagePrompt(ids=ids, views=views, rule=NoRepeat(0), max_new_tokens=TOKENS)


def test_pages_together_get_the_tokens_of_transformers(family, folder, engine) -> None:
    prompts = [page(side, family) for side in SIDES[family]]
    model = load_model(find_checkpoint(folder), dtype=torch.float32, device_map={"": "cpu"})
    expected = [row.tokens for row in generate(model, prompts)]
    writings = [engine.submit(PageTask(p.ids, p.views, p.rule, p.max_new_tokens)) for p in prompts]
    assert [writing.result(60).tokens for writing in writings] == expected
    assert all(len(set(tokens)) > 5 for tokens in expected)
