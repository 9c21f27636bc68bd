"""The network equals the published code: features, logits and greedy tokens of the golden cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepseek_ocr_rag.backends import transformers_generation
from deepseek_ocr_rag.backends.transformers_generation import (
    generate,
    image_features,
    normalised,
)
from deepseek_ocr_rag.backends.transformers_model import load_model
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import PagePrompt
from deepseek_ocr_rag.model.tokenizer import EOS
from deepseek_ocr_rag.model.views import page_views

FIRST = FAMILIES["deepseek-ocr"]
TIE = 1e-3
"""Where the best two logits are closer, either token is right."""


@pytest.fixture(scope="module")
def model(golden_checkpoint: Path):
    return load_model(
        find_checkpoint(golden_checkpoint), dtype=torch.float32, device_map={"": "cpu"}
    )


@pytest.fixture
def without_end_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden tokens were written with the end token forbidden."""
    rule = transformers_generation.NoRepeatNGrams

    class WithoutEnd(rule):
        def __call__(self, input_ids, scores):
            scores = super().__call__(input_ids, scores).clone()
            scores[:, EOS] = float("-inf")
            return scores

    monkeypatch.setattr(transformers_generation, "NoRepeatNGrams", WithoutEnd)


def prompt(case, tokens: int = 64) -> PagePrompt:
    rule = NoRepeat(case.facts["no_repeat_ngram_size"])
    ids = case.arrays("expected")["input_ids"].tolist()
    return PagePrompt(ids, page_views(case.image, case.mode, FIRST), rule, tokens)


def comparable(expected: dict) -> int:
    """Steps before the first one that rounding may decide."""
    margins = expected["logits_top"][:, 0] - expected["logits_top"][:, 1]
    close = np.flatnonzero(margins < TIE)
    return int(close[0]) if len(close) else len(margins)


def test_projected_features_equal_the_published_ones(model, golden_case) -> None:
    expected = golden_case.arrays("expected")
    views = page_views(golden_case.image, golden_case.mode, FIRST)
    with torch.no_grad():
        for name, pixels in (("global", views.global_view[None]), ("local", views.tiles)):
            if f"projected_{name}" not in expected:
                continue
            hidden = model.model.vision_tower(normalised(torch.from_numpy(pixels)).float())
            features = model.model.multi_modal_projector(hidden.last_hidden_state)
            assert np.abs(features.numpy() - expected[f"projected_{name}"]).max() < 1e-4


def test_the_first_logits_equal_the_published_ones(model, golden_case) -> None:
    expected = golden_case.arrays("expected")
    page = prompt(golden_case)
    ids = torch.tensor([page.ids])
    with torch.no_grad():
        words = transformers_generation._embeddings(model, ids, [page.views])
        logits = model(inputs_embeds=words, logits_to_keep=1).logits[0, -1]
    assert np.abs(logits.numpy() - expected["logits_first"]).max() < 1e-4


@pytest.mark.usefixtures("without_end_token")
def test_greedy_tokens_equal_the_published_ones(model, golden_case) -> None:
    expected = golden_case.arrays("expected")
    (written,) = generate(model, [prompt(golden_case)])
    steps = comparable(expected)
    assert list(written.tokens[:steps]) == expected["greedy"][:steps].tolist()
    assert written.end.reason == "length"


@pytest.mark.usefixtures("without_end_token")
def test_a_batch_of_all_grids_gives_the_tokens_of_single_pages(model, golden_cases) -> None:
    batch = generate(model, [prompt(case, 24) for case in golden_cases])
    for case, written in zip(golden_cases, batch, strict=True):
        expected = case.arrays("expected")
        steps = min(24, comparable(expected))
        assert list(written.tokens[:steps]) == expected["greedy"][:steps].tolist()


def test_every_page_has_as_many_features_as_places_in_its_prompt(model, golden_cases) -> None:
    pages = [prompt(case) for case in golden_cases]
    with torch.no_grad():
        features = image_features(model, [page.views for page in pages])
    counts = [case.facts["image_tokens"] for case in golden_cases]
    assert [len(tokens) for tokens in features] == counts


def test_pages_may_have_different_limits(model, golden_cases) -> None:
    small = [case for case in golden_cases if case.facts["image_tokens"] < 150]
    pages = [prompt(case, 3 + 4 * n) for n, case in enumerate(small)]
    written = generate(model, pages)
    assert [len(page.tokens) for page in written] == [p.max_new_tokens for p in pages]
    assert [len(page.logprobs) for page in written] == [p.max_new_tokens for p in pages]


def test_a_row_that_loops_ends_and_the_others_go_on(model, golden_cases) -> None:
    small = [case for case in golden_cases if case.facts["image_tokens"] < 150]
    pages = [prompt(case, 20) for case in small]
    written = generate(model, pages, at_end=lambda row, tokens: row == 0, interval=8)
    assert [page.end.reason for page in written] == ["repetition"] + ["length"] * (len(small) - 1)
    assert len(written[0].tokens) == 8


def test_tokens_are_shown_as_they_come(model, golden_cases) -> None:
    case = min(golden_cases, key=lambda case: case.facts["image_tokens"])
    seen: list[int] = []
    (written,) = generate(
        model, [prompt(case, 6)], at_end=lambda row, tokens: bool(seen.extend(tokens)), interval=1
    )
    assert tuple(seen) == written.tokens


def test_cancelling_ends_at_the_next_token(model, golden_cases) -> None:
    case = min(golden_cases, key=lambda case: case.facts["image_tokens"])
    (written,) = generate(model, [prompt(case, 64)], cancelled=lambda: True)
    assert written.end.reason == "cancelled"
    assert len(written.tokens) == 1
