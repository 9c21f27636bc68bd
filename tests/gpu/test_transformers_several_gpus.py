"""The transformers backend over several GPUs: a model that none of them could hold alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from full_size_pages import first_logits, pdf, prompt

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.transformers.backend import TransformersBackend
from deepseek_ocr_rag.backends.transformers.generation import generate
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.errors import BackendUnavailableError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two CUDA devices"),
]
GIB = 2**30

SMALL_CARD = 6 * GIB
"""Less than the weights, which take 6.2 GiB in 16 bits."""


@pytest.fixture
def small_cards() -> Iterator[None]:
    devices = range(torch.cuda.device_count())
    for device in devices:
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(SMALL_CARD / total, device)
        torch.cuda.reset_peak_memory_stats(device)
    yield
    for device in devices:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def test_a_small_card_alone_does_not_hold_the_model(checkpoint: Path, small_cards: None) -> None:
    backend = TransformersBackend(checkpoint, device="cuda:0")
    with pytest.raises(BackendUnavailableError, match="do not fit") as raised:
        backend.load()
    assert 'device="auto"' in str(raised.value)


def test_small_cards_read_a_pdf_of_50_pages_together(
    checkpoint: Path, small_cards: None, tmp_path: Path
) -> None:
    backend = TransformersBackend(checkpoint, device="auto", max_new_tokens=40, attempts=1)
    document = Reader(backend).read(pdf(tmp_path / "fifty.pdf", 50))
    devices = range(torch.cuda.device_count())
    peaks = [torch.cuda.max_memory_allocated(device) / GIB for device in devices]
    backend.close()
    print("50 pages read, peaks", ", ".join(f"{peak:.1f} GiB" for peak in peaks))
    assert [p.number for p in document.pages] == list(range(1, 51))
    assert all(p.finish_reason in ("stop", "length") for p in document.pages)
    assert all(p.markdown for p in document.pages)
    assert all(1 < peak <= SMALL_CARD / GIB for peak in peaks)


def test_several_cards_write_what_one_writes(checkpoint: Path) -> None:
    found = find_checkpoint(checkpoint)
    requests = [prompt(checkpoint, number) for number in (1, 2, 3)]
    written, logits = [], []
    for place in ({"": "cuda:0"}, "auto"):
        model = load_model(found, dtype=torch.float32, device_map=place)
        written.append([row.tokens for row in generate(model, requests)])
        logits.append(first_logits(model, requests[0]).cpu())
        used = {parameter.device for parameter in model.parameters()}
        del model
        gc.collect()
        torch.cuda.empty_cache()
    assert len(used) == torch.cuda.device_count()
    error = ((logits[1] - logits[0]).norm() / logits[0].norm()).item()
    print(f"relative error of the first logits over {len(used)} cards: {error:.1e}")
    # Sums over experts are added in any order.
    assert error <= 1e-5
    assert written[1] == written[0]
