"""Applies the rules between two tokens to whole batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.transformers.logits_rules import NoRepeatNGrams, Steps, Temperatures
from deepseek_ocr_rag.model.ngrams import NoRepeat, banned_tokens
from deepseek_ocr_rag.model.page_prompt import End
from deepseek_ocr_rag.model.tokenizer import EOS, PAD


def banned(rules: list[NoRepeat], tokens: list[list[int]], vocabulary: int) -> list[frozenset[int]]:
    scores = torch.zeros(len(tokens), vocabulary)
    left = NoRepeatNGrams(rules, vocabulary)(torch.tensor(tokens), scores)
    return [frozenset(row.isinf().nonzero()[:, 0].tolist()) for row in left]


def test_every_golden_case_bans_what_the_published_rule_bans(shared: Path) -> None:
    cases = json.loads((shared / "golden" / "no-repeat-ngram" / "cases.json").read_text())
    for case in cases:
        rule = NoRepeat(case["ngram_size"], case["window_size"], frozenset(case["whitelist"]))
        assert banned([rule], [case["tokens"]], case["vocab"]) == [frozenset(case["banned"])]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 5), min_size=24, max_size=24), min_size=1, max_size=5),
    sizes=st.lists(st.integers(0, 6), min_size=5, max_size=5),
    windows=st.lists(st.none() | st.integers(1, 30), min_size=5, max_size=5),
    exempt=st.frozensets(st.integers(0, 5), max_size=2),
)
def test_rows_of_a_batch_follow_their_own_rules(rows, sizes, windows, exempt) -> None:
    rules = [
        NoRepeat(size, window, exempt)
        for size, window, _ in zip(sizes, windows, rows, strict=False)
    ]
    expected = [banned_tokens(row, rule) for row, rule in zip(rows, rules, strict=True)]
    assert banned(rules, rows, 6) == expected


def test_the_given_scores_stay_unchanged() -> None:
    scores = torch.zeros(1, 4)
    NoRepeatNGrams([NoRepeat(2)], 4)(torch.tensor([[1, 2, 1]]), scores)
    assert not scores.isinf().any()


def test_temperature_zero_is_greedy_and_others_draw_from_the_softmax() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0]]).repeat(4000, 1)
    drawn = Temperatures([1.0] * 4000)(torch.zeros(4000, 1), scores).argmax(-1)
    shares = drawn.bincount(minlength=3) / 4000
    assert torch.allclose(shares, scores[0].softmax(-1), atol=0.03)
    assert torch.equal(Temperatures([0.0] * 4000)(torch.zeros(4000, 1), scores), scores)


def test_sampling_is_reproducible_and_leaves_global_random_numbers_alone() -> None:
    scores = torch.randn(2, 50)
    torch.manual_seed(7)
    untouched = torch.rand(1)
    torch.manual_seed(7)
    first = Temperatures([0.5, 0.5])(torch.zeros(2, 1), scores)
    assert torch.equal(torch.rand(1), untouched)
    assert torch.equal(first, Temperatures([0.5, 0.5])(torch.zeros(2, 1), scores))


def run(rows: list[list[int]], limits: list[int], **options) -> tuple:
    """Run the steps over rows of new tokens after a prompt of two, as generation does."""
    asked: list[tuple[int, list[int]]] = []

    def at_end(row: int, tokens) -> bool:
        asked.append((row, list(tokens)))
        return options.get("loops", lambda row, tokens: False)(row, tokens)

    steps = Steps(
        limits,
        at_end,
        interval=options.get("interval", 2),
        cancelled=options.get("cancelled", lambda: False),
    )
    sequence = torch.tensor([[9, 9]] * len(rows))
    for step in range(max(limits)):
        steps.scores = torch.zeros(len(rows), 10)
        tokens = torch.tensor([[row[step]] for row in rows])
        sequence = torch.cat([sequence, tokens], 1)
        if steps.after(sequence).all():
            break
    return steps.finish(sequence), asked


def test_rows_end_at_their_end_token_at_their_limit_or_at_a_loop() -> None:
    rows = [[5, 6, EOS, PAD, PAD, PAD], [5, 5, 5, 5, 5, 5], [4, 3, 4, 3, 4, 3]]
    result, _ = run(rows, [6, 3, 6], loops=lambda row, tokens: row == 2 and 4 in tokens)
    assert [end for end, _ in result] == [End(2, "stop"), End(3, "length"), End(2, "repetition")]


def test_every_token_has_the_log_probability_that_the_model_gave_it() -> None:
    result, _ = run([[5, 6, EOS, PAD]], [4])
    assert result[0][1] == pytest.approx([-torch.tensor(10.0).log().item()] * 2)


def test_every_token_is_shown_once_and_none_after_the_end() -> None:
    _, asked = run([[5, 6, 7, EOS, PAD, PAD], [1 + 1] * 6], [6, 6])
    assert [t for row, tokens in asked if row == 0 for t in tokens] == [5, 6, 7]
    assert [t for row, tokens in asked if row == 1 for t in tokens] == [2] * 6


def test_cancelling_ends_all_rows_at_once() -> None:
    result, _ = run([[5] * 9, [6] * 9], [9, 9], cancelled=lambda: True)
    assert [end for end, _ in result] == [End(1, "cancelled")] * 2
