"""A network that repeats itself: its neighbour in a batch, and the judge that refuses its adapter.

The small reader with an adapter that was taught by labels in which the last row of a table is repeated,
as those of a teacher that looped (``benchmarks/training/looping.py``). It repeats rows of tables, and
reads pages without one. The watch does not find its loops: after some 16 rows it writes others.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from drawn_pages import DrawnPage, drawn_page, image_of
from small_reader import write_adapter, write_checkpoint

from deepseek_ocr_rag import TransformersBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.transformers.adapter import merge_adapter
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.prompts import TASKS, mode_named
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.training import TrainingSample
from deepseek_ocr_rag.training.judging.judgements import Judge, Judgement
from deepseek_ocr_rag.training.processes import Processes
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT
from deepseek_ocr_rag.training.targets import encode_all

FEW_TOKENS = 64
"""All that a page of two words needs."""


def page(number: int) -> DrawnPage:
    """A page that was in no training."""
    return drawn_page(random.Random(f"unseen loop {number}"), 0.25)


TABLE, WORDS = page(4), page(1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("reader") / "small")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapter") / "looping", "looping")


def replies(backend: TransformersBackend, pages: list[DrawnPage]) -> list[Reply]:
    asked = [
        PageRequest(
            key=key,
            page=key + 1,
            source="drawn",
            sha256="",
            image=image_of(each).convert("RGB"),
            text_layer=None,
            task=TASKS["document"],
            resolution=mode_named("tiny"),
        )
        for key, each in enumerate(pages)
    ]
    return sorted(backend.read(asked), key=lambda reply: reply.key)


def markdown(text: str) -> str:
    return parse_page(text, recorded=False).markdown


def test_the_neighbour_of_a_loop_is_read_as_if_it_were_alone(
    checkpoint: Path, adapter: Path
) -> None:
    """In one batch, and the page that loops goes on when the other one has ended."""
    backend = TransformersBackend(
        checkpoint, adapter=adapter, device="cpu", batch_size=2, max_new_tokens=FEW_TOKENS
    )
    looping, other = replies(backend, [TABLE, WORDS])
    (alone,) = replies(backend, [WORDS])
    backend.close()
    assert (looping.finish_reason, looping.tokens) == ("length", FEW_TOKENS)
    assert (other.finish_reason, other.text) == ("stop", alone.text)
    assert markdown(other.text) == WORDS.free_text()


def test_a_judge_prefers_the_network_itself_to_an_adapter_that_loops(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    image_of(TABLE).save(tmp_path / "table.png")
    sample = TrainingSample(
        *("table", tmp_path / "table.png", DOCUMENT_PROMPT, TABLE.answer()), mode="tiny"
    )
    found = find_checkpoint(checkpoint)
    tokenizer, family = ModelTokenizer.from_file(found.tokenizer), found.family
    held, _ = encode_all([sample], tokenizer, family, mode="tiny", max_positions=8192)
    judge, alone = Judge(held, (), 0.01), Processes(torch.device("cpu"))
    model = load_model(found, dtype=torch.float32, device_map={"": "cpu"})
    judged: list[Judgement] = []
    for _ in range(2):
        written = judge.judge(model, tokenizer, rule=family.no_repeat, batch=1, processes=alone)
        judged.append(judge.judgement(written, 0, 0.0))
        merge_adapter(model, adapter)
    before, after = judged
    assert before.held is not None
    assert after.held is not None
    assert (before.held.scores.cer, before.held.scores.without_end) == (0, 0)
    assert after.held.scores.cer > 0.3
    assert after.held.scores.without_end == 1
    assert judge.cost(after, before) > judge.cost(before, before)
