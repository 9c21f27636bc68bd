"""Twenty thousand generated texts: no exception, and every block where it says it is.

They are the same in every run; ``make fuzz`` finds new ones, guided by code coverage.
"""

from __future__ import annotations

import pytest
from fuzzed import CHECKS, FRAGMENTS
from random_texts import broken_by, random_texts

EXAMPLES = {"grammar": 8_000, "tables": 6_000, "noise": 3_000, "markdown": 3_000}
SEED = 20_000


def test_there_are_twenty_thousand_examples() -> None:
    assert sum(EXAMPLES.values()) >= 20_000
    assert EXAMPLES.keys() == CHECKS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_any_text_is_parsed(name: str) -> None:
    ran = 0
    for parts in random_texts(FRAGMENTS, EXAMPLES[name], SEED):
        broken = broken_by(CHECKS[name], parts)
        if broken is not None:
            print(f"the shortest text that breaks it: {broken!r}")
            CHECKS[name](broken)
        ran += 1
    assert ran == EXAMPLES[name]


def test_the_texts_differ_and_have_every_fragment_and_characters_of_every_script() -> None:
    texts = ["".join(parts) for parts in random_texts(FRAGMENTS, 3_000, SEED)]
    assert len(set(texts)) > 2_800
    every = "".join(texts)
    assert [fragment for fragment in FRAGMENTS if fragment not in every] == []
    assert {ord(character) >> 16 for character in every} == set(range(17))


def test_a_text_that_breaks_a_check_is_made_short() -> None:
    def check(text: str) -> None:
        if "<td>" in text and "|" in text:
            raise AssertionError

    assert broken_by(check, ("a", "<td>", "word", "x|y")) == "<td>|"
    assert broken_by(check, ("a", "<td>")) is None
