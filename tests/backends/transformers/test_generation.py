"""The network equals the published code: features, logits and greedy tokens of the golden cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepseek_ocr_rag.backends.transformers import generation as transformers_generation
from deepseek_ocr_rag.backends.transformers.generation import generate, image_features
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import GeneratedPage, PagePrompt
from deepseek_ocr_rag.model.tokenizer import EOS, IMAGE
from deepseek_ocr_rag.model.views import page_views

FIRST = FAMILIES["deepseek-ocr"]
TIE = 1e-3
"""Where the best two logits are closer, either token is right."""


SINGLY = 16
"""Steps that pages are written alone for; together they are written to the end."""


@pytest.fixture(scope="module")
def model(golden_checkpoint: Path):
    return load_model(
        find_checkpoint(golden_checkpoint), dtype=torch.float32, device_map={"": "cpu"}
    )


@pytest.fixture(scope="module")
def features(model, golden_cases) -> dict[str, torch.Tensor]:
    """The features of every page's picture; computed once, as this is the slowest part."""
    with torch.no_grad():
        every = image_features(model, [prompt(case).views for case in golden_cases])
    return {case.folder.name: tokens for case, tokens in zip(golden_cases, every, strict=True)}


@pytest.fixture(scope="module")
def written(model, golden_cases, features) -> dict[str, GeneratedPage]:
    """All cases in one batch. The golden tokens were written with the end token forbidden."""
    with pytest.MonkeyPatch.context() as patch:
        forbid_the_end(patch)
        known = list(features.values())
        patch.setattr(transformers_generation, "image_features", lambda model, views: known)
        pages = generate(model, [prompt(case) for case in golden_cases])
    return {case.folder.name: page for case, page in zip(golden_cases, pages, strict=True)}


def forbid_the_end(patch: pytest.MonkeyPatch) -> None:
    rule = transformers_generation.NoRepeatNGrams

    class WithoutEnd(rule):
        def __call__(self, input_ids, scores):
            scores = super().__call__(input_ids, scores).clone()
            scores[:, EOS] = float("-inf")
            return scores

    patch.setattr(transformers_generation, "NoRepeatNGrams", WithoutEnd)


def prompt(case, tokens: int = 64) -> PagePrompt:
    rule = NoRepeat(case.facts["no_repeat_ngram_size"])
    ids = case.arrays("expected")["input_ids"].tolist()
    return PagePrompt(ids, page_views(case.image, case.mode, FIRST), rule, tokens)


def comparable(expected: dict) -> int:
    """Count the steps before the first one that rounding may decide."""
    margins = expected["logits_top"][:, 0] - expected["logits_top"][:, 1]
    close = np.flatnonzero(margins < TIE)
    return int(close[0]) if len(close) else len(margins)


def without_row_ends(tokens: torch.Tensor, columns: int) -> np.ndarray:
    """Return the projector's output from rows that each end in a newline."""
    return tokens.reshape(-1, columns + 1, tokens.shape[-1])[:, :columns].numpy()


def test_projected_features_equal_the_published_ones(features, golden_case) -> None:
    expected = golden_case.arrays("expected")
    tokens = features[golden_case.folder.name]
    side = int(expected["projected_global"].shape[1] ** 0.5)
    whole = without_row_ends(tokens[-side * (side + 1) - 1 : -1], side)
    assert np.abs(whole.reshape(1, -1, whole.shape[-1]) - expected["projected_global"]).max() < 1e-4
    if "projected_local" not in expected:
        assert len(tokens) == side * (side + 1) + 1
        return
    columns, rows = golden_case.facts["crop_grid"]
    tile = int(expected["projected_local"].shape[1] ** 0.5)
    stitched = without_row_ends(tokens[: -side * (side + 1) - 1], columns * tile)
    tiles = stitched.reshape(rows, tile, columns, tile, -1).transpose(0, 2, 1, 3, 4)
    tiles = tiles.reshape(expected["projected_local"].shape)
    assert np.abs(tiles - expected["projected_local"]).max() < 1e-4


def test_the_first_logits_equal_the_published_ones(model, features, golden_case) -> None:
    expected = golden_case.arrays("expected")
    ids = torch.tensor([prompt(golden_case).ids])
    with torch.no_grad():
        words = model.get_input_embeddings()(ids)
        places = (ids == IMAGE)[:, :, None]
        words = words.masked_scatter(places, features[golden_case.folder.name])
        logits = model(inputs_embeds=words, logits_to_keep=1).logits[0, -1]
    assert np.abs(logits.numpy() - expected["logits_first"]).max() < 1e-4


def test_greedy_tokens_in_a_batch_equal_the_published_ones(written, golden_case) -> None:
    """Pages of all grids and prompts at once: the longest is 15 times the shortest."""
    expected = golden_case.arrays("expected")
    page = written[golden_case.folder.name]
    steps = comparable(expected)
    assert list(page.tokens[:steps]) == expected["greedy"][:steps].tolist()
    assert page.end.reason == "length"


def test_greedy_tokens_of_a_single_page_equal_the_published_ones(
    model, features, golden_case, monkeypatch
) -> None:
    expected = golden_case.arrays("expected")
    forbid_the_end(monkeypatch)
    # On a CPU every page goes through the towers alone, in batches too.
    known = [features[golden_case.folder.name]]
    monkeypatch.setattr(transformers_generation, "image_features", lambda model, views: known)
    (page,) = generate(model, [prompt(golden_case, SINGLY)])
    steps = min(SINGLY, comparable(expected))
    assert list(page.tokens[:steps]) == expected["greedy"][:steps].tolist()


def test_every_page_has_as_many_features_as_image_tokens_in_its_prompt(
    features, golden_cases
) -> None:
    for case in golden_cases:
        assert len(features[case.folder.name]) == case.facts["image_tokens"]


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


def test_tokens_are_shown_as_they_are_generated(model, golden_cases) -> None:
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
