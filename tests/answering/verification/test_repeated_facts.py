"""Enumerations that have the same thing twice."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.facts import claimed_facts
from deepseek_ocr_rag.answering.verification.repeated_facts import (
    enumerated_twice,
    restated_otherwise,
)


def twice(claim: str, *sources: str) -> list[str]:
    facts = claimed_facts(claim)
    return enumerated_twice(facts.plain, [*facts.numbers, *facts.dates], sources)


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("The notes are due 2026 and 2026.", "2026"),
        ("It was lit in 1899, 1902 and 1899.", "1899"),
        ("It was lit on 4 May 1902 and 4 May 1902.", "4 May 1902"),
        ("It ran from March 1902 to March 1902.", "March 1902"),
        ("It has 40 or 40 lamps.", "40"),
    ],
)
def test_what_is_enumerated_twice_is_found(claim: str, found: str) -> None:
    source = "due 2026 (the 2026 notes) and due 2028; 1899, 1902; on 4 May 1902, in March 1902; 40"
    assert twice(claim, source) == [found]


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The notes are due 2026 and 2028.", "due 2026 and 2028"),
        ("Due 2026, and those of 2026 are red.", "due 2026"),
        ("Both have 40 and 40 lamps.", "The tower has 40 lamps. The store has 40 lamps."),
        ("It has 3.0% and 3.0%.", "| U.S. | 3.0% | 3.0% |"),
        ("Read in 2021, 2021 and 2022.", "| 2021 | 2021 | 2022 |"),
    ],
)
def test_nothing_is_found_in_other_enumerations_or_those_of_the_source(
    claim: str, source: str
) -> None:
    assert twice(claim, source) == []


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("It was $14.2 billion ($24,158 million).", ["24,158"]),
        ("It was $14.2 billion ($14,158 million).", []),
        ("It was $14,158 million ($14.2 billion).", []),
        ("It was $14.2 billion (€13.1 billion).", []),
        ("It was $14.2 billion (€13,100 million).", []),
        ("It was 1.5 million (of which 300 thousand in May).", []),
    ],
)
def test_an_amount_that_is_given_again_must_be_the_same(claim: str, found: list[str]) -> None:
    facts = claimed_facts(claim)
    assert restated_otherwise(facts.plain, facts.numbers) == found
