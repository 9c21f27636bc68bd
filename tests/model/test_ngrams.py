"""The rule against repeats, as the published scripts define it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.ngrams import NoRepeat, banned_tokens


def test_every_golden_case_bans_what_the_published_rule_bans(shared: Path) -> None:
    cases = json.loads((shared / "golden" / "no-repeat-ngram" / "cases.json").read_text())
    assert cases
    for case in cases:
        rule = NoRepeat(case["ngram_size"], case["window_size"], frozenset(case["whitelist"]))
        assert banned_tokens(case["tokens"], rule) == frozenset(case["banned"])


def test_without_a_window_the_whole_sequence_counts() -> None:
    tokens = [5, 6, 7, *range(100, 400), 5, 6]
    assert banned_tokens(tokens, NoRepeat(3)) == {7}
    assert banned_tokens(tokens, NoRepeat(3, window=50)) == frozenset()


def test_size_zero_allows_everything() -> None:
    assert banned_tokens([1, 1, 1, 1], NoRepeat(0)) == frozenset()


def test_exempt_tokens_may_always_come() -> None:
    assert banned_tokens([1, 2, 1], NoRepeat(2, exempt=frozenset({2}))) == frozenset()


@pytest.mark.parametrize(("size", "window"), [(-1, None), (3, 0), (3, -5)])
def test_a_rule_that_makes_no_sense_is_refused(size: int, window: int | None) -> None:
    with pytest.raises(ConfigurationError):
        NoRepeat(size, window)
