"""Understands page selections in the words of people and models: "pages 1 to 3 and 7"."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["page_ranges_in"]

_WORD: Final = re.compile(r"[0-9]{1,18}(?:\.0{1,9})?(?![0-9.])|[^\W\d_]+\.?|\.{2,3}|\S")
_NOISE: Final = frozenset(
    {"page", "pages", "p", "pp", "pg", "pgs", "no", "nr", "number", "numbers"}
)
_NOISE_SIGNS: Final = frozenset("#'\"")
_TO: Final = frozenset({"-", "to", "through", "thru", "until", "till", "..", "...", ":", "~", "–"})
_TO_SIGNS: Final = frozenset("–—−‐‑‒―…")
_NEXT: Final = frozenset({",", ";", "and", "&", "+", "/", "|"})
_END: Final = frozenset({"end", "last", "onwards", "onward"})
_START: Final = frozenset({"start", "beginning", "begin", "first"})

Range = tuple[int | None, int | None]


def page_ranges_in(text: str) -> list[Range] | None:
    """First and last page of each range in the text, None for an end that it leaves open.

    Numbers are pages, "-", "to" and the like join two of them, commas, "and" and spaces separate
    them. None if the text is anything else.
    """
    found: list[Range] = []
    item: list[int | str] = []
    for written in _WORD.findall(text.lower()):
        word = written if written[0] in ".0123456789" else written.rstrip(".")
        if word[0].isdigit():
            if item and item[-1] != "-":
                found_range = _range(item)
                if found_range is None:
                    return None
                found.append(found_range)
                item = []
            item.append(int(word.partition(".")[0]))
        elif word in _TO or word in _TO_SIGNS:
            if "-" in item:
                return None
            item = ["-"] if item == ["start"] else [*item, "-"]
        elif word in _NEXT:
            found_range = _range(item)
            if found_range is None:
                return None
            found.append(found_range)
            item = []
        elif word in _END and item and item[-1] == "-":
            pass
        elif word in _START and not item:
            item.append("start")
        elif word not in _NOISE and word not in _NOISE_SIGNS:
            return None
    if item or not found:
        found_range = _range(item)
        if found_range is None:
            return None
        found.append(found_range)
    return found


def _range(item: list[int | str]) -> Range | None:
    """The range of some words: numbers and "-"."""
    numbers = [each for each in item if isinstance(each, int)]
    if not numbers:
        return None
    if "-" not in item:
        return (numbers[0], numbers[0]) if len(numbers) == 1 else None
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    return (numbers[0], None) if item[0] != "-" else (None, numbers[0])
