"""Recognises tables of contents: pages that name every topic and explain none."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from ..text.plain_text import without_tags

__all__ = ["is_contents"]

MIN_ENTRIES: Final = 5
MIN_SHARE: Final = 0.5
"""Lowest share of lines that end with a page number; the others are headings and
entries that OCR misread."""

MIN_ASCENDING: Final = 0.8
"""Lowest share of neighbouring entries whose numbers do not fall: misread ones may."""

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
