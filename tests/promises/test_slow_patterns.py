"""No regular expression takes longer than in proportion to the text that it searches."""

from __future__ import annotations

import re

import pytest
from house import INTEGRATION_FILES, MODULE_FILES, PACKAGE, imported
from slow_patterns import ALL_METHODS, UsedPattern, patterns_of, slow_text

BOUNDED = {
    "answering.verification.facts._OPENS": "searches the 20 characters before a word",
    "model.loops.trimming._HALF_TAG": "searches the LONGEST_TAG characters before a cut",
    "model.loops.trimming._TAGS": "searches the LONGEST_TAG characters before a loop",
}
"""Patterns that are slow on long texts, and why they get none."""


HEAVY = ("engine.", "backends.local.", "backends.transformers.", "backends.official.")
"""Modules that import torch, or packages that are not installed everywhere."""


def test_every_pattern_takes_linear_time() -> None:
    names = {name: name.removeprefix(f"{PACKAGE}.") for name in MODULE_FILES}
    light = [name for name, short in names.items() if not f"{short}.".startswith(HEAVY)]
    heavy = [path for name, path in MODULE_FILES.items() if name not in light]
    used = {
        each.where.removeprefix(f"{PACKAGE}."): each
        for each in patterns_of([name for name in light if not name.endswith("__main__")], heavy)
    }
    assert len(used) > 150
    assert set(BOUNDED) <= set(used)
    slow = {where: slow_text(each) for where, each in used.items() if where not in BOUNDED}
    assert {where: text for where, text in slow.items() if text is not None} == {}


def test_integrations_use_no_patterns_of_their_own() -> None:
    assert [path.name for path in INTEGRATION_FILES if "re" in imported(path)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"([0-9]{1,18})?\s*(-)?\s*([0-9]{1,18})?",  # of page selections, until it was replaced
        r"(?:a+)+$",
        r"\s+$",
        r"\[(.*?)\]x",
        r"[\d.,]*\d[\d.,]*",
        r"^(\w+\s?)*$",
        r"(?:(?<=[.!?])\s+|\n\s*)[0-9]",
        r"<ref>(?:(?!</ref>).)*</ref>",
    ],
)
def test_the_checker_finds_patterns_that_are_slow(pattern: str) -> None:
    assert slow_text(UsedPattern("here", re.compile(pattern), ALL_METHODS)) is not None


@pytest.mark.parametrize("pattern", [r"\s{1,20}$", r"[a-z]+ [0-9]+", r"(?:[0-9]+,)*[a-z]"])
def test_the_checker_passes_patterns_that_are_not(pattern: str) -> None:
    assert slow_text(UsedPattern("here", re.compile(pattern), frozenset({"match"}))) is None
