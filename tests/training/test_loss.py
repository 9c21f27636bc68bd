"""The loss: the answer's tokens only, and Unlimited-OCR's window as it is when it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from deepseek_ocr_rag.backends.transformers.generation import image_features
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.training import batches as batches_module
from deepseek_ocr_rag.training import read_samples
from deepseek_ocr_rag.training.batches import FrozenVision, batch_loss, batches
from deepseek_ocr_rag.training.loss import plain_features, with_pictures
from deepseek_ocr_rag.training.targets import EncodedPage, encode_all
from deepseek_ocr_rag.training.window import reference_window

Loaded = tuple[PreTrainedModel, tuple[EncodedPage, ...]]


def loaded(folder: Path, data: Path) -> Loaded:
    checkpoint = find_checkpoint(folder)
    tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
    samples = read_samples(data).checked()
    mode = "base" if checkpoint.family.sides else "tiny"
    pages, _ = encode_all(samples, tokenizer, checkpoint.family, mode=mode, max_positions=8192)
    model = load_model(checkpoint, dtype=torch.float32, device_map={"": "cpu"})
    for name, weight in model.named_parameters():
        # What a token sees must count: in the tiny models attention is faint.
        if ("self_attn" in name and "language_model" in name) or name == "lm_head.weight":
            weight.data *= 8
        if "language_model" in name and "norm" in name:
            weight.data += 1
    return model, pages


@pytest.fixture
def model_and_pages(folder: Path, data: Path) -> Loaded:
    return loaded(folder, data)


@torch.no_grad()
def written_one_by_one(model: Any, page: EncodedPage) -> torch.Tensor:
    """Logarithms of the answer's probabilities, token by token with a cache, as a reader writes."""
    ids = torch.tensor([page.ids])
    features = torch.cat(image_features(model, [page.views]))
    embeddings = with_pictures(model, ids, features)
    output = model(inputs_embeds=embeddings[:, : page.prompt], use_cache=True)
    found = []
    for at in range(page.prompt, len(page.ids)):
        found.append(output.logits[0, -1].log_softmax(-1)[page.ids[at]])
        output = model(inputs_embeds=embeddings[:, at : at + 1], cache=output.cache, use_cache=True)
    return torch.stack(found)


def test_a_batch_has_the_loss_of_what_is_written_token_by_token(model_and_pages: Loaded) -> None:
    """Pages of two lengths in one batch; in Unlimited-OCR the window (8) is far shorter than them."""
    model, pages = model_and_pages
    expected = torch.cat([written_one_by_one(model, page) for page in pages[:2]])
    with torch.no_grad():
        loss = batch_loss(model, pages[:2])
    assert len(expected) == sum(page.answer for page in pages[:2])
    torch.testing.assert_close(loss, -expected.mean(), rtol=1e-4, atol=1e-5)


def test_pictures_of_frozen_towers_are_computed_once_and_change_no_bit(
    model_and_pages: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pages = model_and_pages
    computed: list[int] = []

    def counted(model: PreTrainedModel, views: Any) -> list[torch.Tensor]:
        computed.append(len(views))
        return image_features(model, views)

    with torch.no_grad():
        expected = batch_loss(model, pages[:2])
        monkeypatch.setattr(batches_module, "image_features", counted)
        frozen = FrozenVision(model, pages)
        for _ in range(2):
            found = batch_loss(model, pages[:2], [frozen.features(0), frozen.features(1)])
            assert torch.equal(found, expected)
    assert computed == [1, 1]


def test_full_attention_is_another_loss_for_a_model_with_a_window(
    folders: dict[str, Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What transformers' class does if it is not told where the prompt ends."""
    model, pages = loaded(folders["unlimited-ocr"], data)
    with torch.no_grad():
        right = batch_loss(model, pages[:1])
        monkeypatch.setattr("deepseek_ocr_rag.training.batches.training_masks", lambda *_: None)
        assert abs(float(right - batch_loss(model, pages[:1]))) > 1e-2


def test_the_window_shows_the_prompt_and_the_last_tokens() -> None:
    seen = reference_window([3, 1], 6, 2)[:, 0].int().tolist()
    assert seen[0][2:] == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1, 1],
    ]
    assert seen[1][5] == [1, 0, 0, 0, 1, 1]


def test_features_of_many_pages_are_those_of_single_ones(
    folders: dict[str, Path], data: Path
) -> None:
    model, pages = loaded(folders["deepseek-ocr"], data)
    pixels = torch.stack([torch.from_numpy(page.views.global_view) for page in pages[:2]])
    with torch.no_grad():
        scaled = (pixels.float().div(255).sub(0.5).div(0.5)).bfloat16().float()
        one = plain_features(model, scaled)
        other = image_features(model, [page.views for page in pages[:2]])
    torch.testing.assert_close(one, torch.stack(other), rtol=1e-4, atol=1e-5)


def test_an_epoch_has_every_page_once_and_a_resume_goes_on() -> None:
    order = batches(5, 2, seed=1)
    first = [next(order) for _ in range(5)]
    assert sorted(index for batch in first for index in batch) == sorted([*range(5)] * 2)
    resumed = batches(5, 2, seed=1, first=3)
    assert [next(resumed), next(resumed)] == first[3:]
