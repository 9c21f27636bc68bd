"""Recognises tables of contents and other pages that name topics but explain none."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from ..text.plain_text import without_tags

__all__ = ["is_contents", "is_listing"]

MIN_ENTRIES: Final = 5
MIN_SHARE: Final = 0.5
"""Lowest share of lines that end with a page number; other lines are headings, or entries that OCR
misread."""

MIN_ASCENDING: Final = 0.8
"""Lowest share of neighbouring entries whose numbers do not fall: misread ones may."""

MIN_FILED: Final = 5
"""Fewest entries of a list of exhibits on one page: running text refers to one or two."""

MIN_AUDITED: Final = 2
"""Fewest of an auditor's set phrases on a page of the auditor's report."""

_FILED: Final = re.compile(
    r"incorporated (?:herein )?by reference|\bexhibit\s+\(?[0-9]|filed (?:herewith|as exhibit)"
    r"|\bform (?:8|10)-[kq]\b",
    re.IGNORECASE,
)
_AUDITED: Final = re.compile(
    r"\bwe have audited\b|\bin our opinion\b|\bcritical audit matter|\bwe conducted our audits?\b",
    re.IGNORECASE,
)
_LINE: Final = re.compile(r"\n|</tr\s?>", re.IGNORECASE)
_LAST_NUMBER: Final = re.compile(r"(?<![0-9.,])[0-9]{1,4}\Z")
_LETTER: Final = re.compile(r"[^\W\d_]")


def is_contents(text: str) -> bool:
    """Whether a page is a table of contents.

    Most of its lines are words that end with a number, and the numbers rise.
    """
    lines = [without_tags(line).strip(" \t|") for line in _LINE.split(text)]
    lines = [line for line in lines if line.strip("-: |")]
    numbers = [
        int(match[0])
        for line in lines
        if (match := _LAST_NUMBER.search(line)) and _LETTER.search(line)
    ]
    if len(numbers) < MIN_ENTRIES or len(numbers) < MIN_SHARE * len(lines):
        return False
    ascending = sum(first <= second for first, second in pairwise(numbers))
    return len(set(numbers)) >= MIN_ENTRIES - 1 and ascending >= MIN_ASCENDING * (len(numbers) - 1)


def is_listing(text: str) -> bool:
    """Whether a page only lists or repeats what other pages state: exhibits, or an auditor's report."""
    return len(_FILED.findall(text)) >= MIN_FILED or len(_AUDITED.findall(text)) >= MIN_AUDITED
