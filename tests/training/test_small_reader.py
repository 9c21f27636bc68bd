"""A network of DeepSeek-OCR's architecture that really reads: what it writes, where, and how surely.

See ``support/small_reader.py``. These pages were in no training; the larger sets are in
``benchmarks/training/reading.py``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from drawn_pages import FACE, DrawnPage, drawn_page, image_of, pdf_of
from small_reader import write_checkpoint

from rapidfuzz.distance import Levenshtein

from deepseek_ocr_rag import Box, OcrDocument, Reader, TransformersBackend
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

PAGES = 5


def page(name: str, level: float = 1.0, face: tuple[str, str] = FACE) -> DrawnPage:
    return drawn_page(random.Random(name), level, face)


def wrong_share(pairs: Sequence[tuple[str, str]]) -> float:
    """Wrong characters by right ones."""
    return sum(Levenshtein.distance(*pair) for pair in pairs) / sum(len(right) for right, _ in pairs)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    both = one.intersection(other)
    shared = both.area if both else 0.0
    return shared / (one.area + other.area - shared)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("reader") / "small")


@pytest.fixture(scope="module")
def backend(checkpoint: Path) -> Iterator[TransformersBackend]:
    found = TransformersBackend(checkpoint, device="cpu", attempts=1)
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages() -> list[DrawnPage]:
    return [page(f"unseen page 5.{number}", 0.6 * (number + 1) / PAGES) for number in range(PAGES)]


@pytest.fixture(scope="module")
def document(backend: TransformersBackend, pages: list[DrawnPage]) -> OcrDocument:
    """A PDF of all pages, as a user reads it."""
    reader = Reader(backend, resolution="tiny", cache=False)
    return reader.read(pdf_of(pages))


def test_it_reads_words_figures_and_tables_that_it_never_saw(
    document: OcrDocument, pages: list[DrawnPage]
) -> None:
    assert {block.label for each in pages for block in each.blocks} == {
        "title", "sub_title", "text", "table",
    }  # fmt: skip
    pairs = [
        (parse_page(right.answer(), recorded=False).markdown, read.markdown)
        for right, read in zip(pages, document.pages, strict=True)
    ]
    assert wrong_share(pairs) <= 0.02
    assert {read.finish_reason for read in document.pages} == {"stop"}
    assert {read.attempts for read in document.pages} == {1}


def test_every_block_has_its_kind_and_its_place(
    document: OcrDocument, pages: list[DrawnPage]
) -> None:
    overlaps = []
    for right, read in zip(pages, document.pages, strict=True):
        kinds = [block.label for block in right.blocks]
        assert [block.kind for block in read.blocks] == kinds
        overlaps += [
            overlap(Box(*wanted.box), found.boxes[0])
            for wanted, found in zip(right.blocks, read.blocks, strict=True)
        ]
    assert sum(overlaps) / len(overlaps) >= 0.9
    assert min(overlaps) > 0.5


def test_it_doubts_letters_that_it_cannot_read(
    backend: TransformersBackend, document: OcrDocument
) -> None:
    """An alphabet that was in no training: it writes something, and is not sure of it."""
    greek = [page(f"greek {number}", 0.1, ("Symbol", "Symbol")) for number in range(2)]
    found = Reader(backend, resolution="tiny", cache=False).read(pdf_of(greek))
    pairs = [(p.free_text(), read.markdown) for p, read in zip(greek, found.pages, strict=True)]
    assert wrong_share(pairs) > 0.5
    doubted, sure = (
        sum(read.confidence or 0 for read in each.pages) / len(each.pages)
        for each in (found, document)
    )
    assert sure > 0.9
    assert doubted < sure - 0.1


def test_without_boxes_it_writes_the_same_words(
    backend: TransformersBackend, pages: list[DrawnPage]
) -> None:
    reader = Reader(backend, resolution="tiny", task="free", cache=False)
    found = reader.read(pdf_of(pages[:2])).pages
    pairs = [(p.free_text(), read.markdown) for p, read in zip(pages[:2], found, strict=True)]
    assert wrong_share(pairs) <= 0.04


def test_the_engine_writes_the_same(
    checkpoint: Path, document: OcrDocument, pages: list[DrawnPage]
) -> None:
    """``local``'s engine, here with its operations for the CPU, two pages together."""
    found = find_checkpoint(checkpoint)
    tokenizer = ModelTokenizer.from_file(found.tokenizer)
    config = engine_config(json.loads((checkpoint / "config.json").read_text()))
    weights = load_weights(config, [checkpoint / "model.safetensors"], dtype=torch.float32)
    runner = Runner(config, weights, ReferenceOps(), slots=2, blocks=20)
    engine = Engine(runner, Scheduler(slots=2, blocks=20), 1024)
    prompt = f"\n{TASKS['document'].prompt}"
    try:
        running = []
        for each in pages[:2]:
            views = page_views(image_of(each), mode_named("tiny"), found.family)
            ids = prompt_ids(tokenizer, prompt, found.family.image_tokens(views.side, views.grid))
            task = PageTask(ids, views, found.family.no_repeat, 300)
            running.append(engine.submit(task))
        texts = [tokenizer.decode(each.result(120).tokens) for each in running]
    finally:
        engine.close()
    for text, read in zip(texts, document.pages, strict=False):
        assert parse_page(text, recorded=False).markdown == read.markdown
