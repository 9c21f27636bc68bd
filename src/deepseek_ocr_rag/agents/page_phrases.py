"""Understands page selections in the words of people and models: "pages 1 to 3 and 7"."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["page_ranges_in"]

_WORD: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?|[^\W\d_]+\.?|\.{2,3}|\S")
_NOISE: Final = frozenset(
    {"page", "pages", "p", "pp", "pg", "pgs", "no", "nr", "number", "numbers", "#", "'", '"'}
)
_DASHES: Final = frozenset("-–—−‐‑‒―")
_TO: Final = frozenset({"to", "through", "thru", "until", "till", "..", "...", ":", "~", "…"})
_JOINTS: Final = ("-", "to")
_NEXT: Final = frozenset({",", ";", "and", "&", "+"})
_DIGITS: Final = "0123456789"
_END: Final = frozenset({"end", "last", "onwards", "onward"})
_START: Final = frozenset({"start", "beginning", "begin", "first"})

MOST_DIGITS: Final = 18
"""Most digits of a number: enough for any page, and cheap to convert."""

Range = tuple[int | None, int | None]


def page_ranges_in(text: str) -> list[Range] | None:
    """First and last page of each range in the text; an open end is None.

    Numbers are pages; "-", "to" and the like join two of them; commas, "and" and spaces separate
    them. The result is None if the text is anything else, such as "-3".
    """
    items: list[list[int | str]] = [[]]
    for part in map(_part, _WORD.findall(text.lower())):
        if part is None:
            return None
        if part == ",":
            items.append([])
        elif part in _JOINTS or not items[-1] or items[-1][-1] in _JOINTS:
            items[-1] += [part] if part != "" else []
        elif part != "":
            items.append([part])  # a space separates, too
    ranges = [_range(item) for item in items if item]
    found = [each for each in ranges if each is not None]
    return found if found and len(found) == len(ranges) else None


def _part(word: str) -> int | str | None:
    """A number, "-", "to", ",", "start" or "end"; "" for words without meaning, None for others."""
    if word[0] in _DIGITS:
        whole, _, part = word.partition(".")
        return None if part.strip("0") or len(whole) > MOST_DIGITS else int(whole)
    if word in _DASHES:
        return "-"
    if word in _TO:
        return "to"
    word = word.rstrip(".")
    if word in _NEXT:
        return ","
    if word in _START or word in _END:
        return "start" if word in _START else "end"
    return "" if word in _NOISE else None


def _range(item: list[int | str]) -> Range | None:
    """The range of one page, or of two ends joined by "-" or "to", of which one may be missing.

    "-3" is not a range: it may mean the first three pages or the third page from the end.
    """
    at = next((at for at, part in enumerate(item) if part in _JOINTS), None)
    if at is None:
        return (item[0], item[0]) if isinstance(item[0], int) else None
    before, after = item[:at], item[at + 1 :]
    if not before and item[at] == "-":
        return None
    first = before[0] if before and isinstance(before[0], int) else None
    last = after[0] if after and isinstance(after[0], int) else None
    right = before in ([], [first], ["start"]) and after in ([], [last], ["end"])
    return (first, last) if right and (first, last) != (None, None) else None
