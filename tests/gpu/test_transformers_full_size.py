"""The transformers backend on a GPU with a checkpoint of the full size and random weights.

``DSOCR_FULL_CHECKPOINT`` names its folder; ``benchmarks/engine/random_checkpoint.py`` writes one.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from full_size_pages import first_logits, pdf, prompt

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.transformers.backend import TransformersBackend
from deepseek_ocr_rag.backends.transformers.generation import generate
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.model.checkpoint import find_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
GIB = 2**30

TOO_MANY = 96
"""Pages whose cache alone, at 920 tokens each, leaves no room within 12 GiB."""


@pytest.fixture(scope="module")
def backend(checkpoint: Path) -> Iterator[TransformersBackend]:
    made = TransformersBackend(checkpoint, max_new_tokens=40, attempts=1, batch_size=TOO_MANY)
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="class")
def whole(checkpoint: Path) -> Iterator[Any]:
    """The model in float32; gone before memory is limited."""
    yield load_model(find_checkpoint(checkpoint), dtype=torch.float32, device_map={"": "cuda"})
    gc.collect()


class TestInFloat32:
    """What needs the model in float32 beside the one in bfloat16."""

    def test_bfloat16_logits_are_close_to_float32(
        self, checkpoint: Path, whole: Any, backend: TransformersBackend
    ) -> None:
        request = prompt(checkpoint, 1)
        small = backend._ready()[0]._model
        exact, rounded = first_logits(whole, request), first_logits(small, request)
        error = ((rounded - exact).norm() / exact.norm()).item()
        print(f"relative error of the first logits in bfloat16: {error:.4f}")
        assert error <= 2e-2

    def test_a_batch_gives_the_tokens_of_its_pages_one_by_one(
        self, checkpoint: Path, whole: Any
    ) -> None:
        """Random weights give near ties, which bfloat16 would break either way."""
        requests = [prompt(checkpoint, number) for number in (1, 2, 3)]
        together = [row.tokens for row in generate(whole, requests)]
        assert together == [generate(whole, [request])[0].tokens for request in requests]


def test_a_pdf_of_50_pages_is_read_to_its_end(backend: TransformersBackend, tmp_path: Path) -> None:
    document = Reader(backend).read(pdf(tmp_path / "fifty.pdf", 50))
    assert [p.number for p in document.pages] == list(range(1, 51))
    assert all(p.finish_reason in ("stop", "length") for p in document.pages)
    assert all(p.markdown for p in document.pages)
    print(f"50 pages read, peak {torch.cuda.max_memory_allocated() / GIB:.1f} GiB")


def test_a_limit_of_12_gb_is_survived(
    backend: TransformersBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = pdf(tmp_path / "limit.pdf", TOO_MANY)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(12 * GIB / total)
    try:
        document = Reader(backend).read(path)
        print(f"peak {torch.cuda.max_memory_allocated() / GIB:.1f} GiB of 12")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(document.pages) == TOO_MANY
    assert all(p.finish_reason in ("stop", "length") for p in document.pages)
    assert f"out of memory with {TOO_MANY} pages at once" in caplog.text


@pytest.mark.parametrize("form", ["8bit", "4bit"])
def test_small_weights_read_too(checkpoint: Path, tmp_path: Path, form) -> None:
    pytest.importorskip({"8bit": "torchao", "4bit": "bitsandbytes"}[form])
    torch.cuda.reset_peak_memory_stats()
    backend = TransformersBackend(
        checkpoint, max_new_tokens=16, attempts=1, quantization=form, batch_size=2
    )
    with Reader(backend, resolution="base") as reader:
        document = reader.read(pdf(tmp_path / "two.pdf", 2))
    print(f"{form}: peak {torch.cuda.max_memory_allocated() / GIB:.1f} GiB")
    backend.close()
    assert all(p.markdown for p in document.pages)
