"""Cuts a page's Markdown into sentences, list items, table rows and headings.

The rules are for OCR text in Western and East Asian scripts and need no model: a
sentence ends at a full stop that is followed by something that can begin a sentence.
"""

from __future__ import annotations

import re
from typing import Final

from .word_lists import ABBREVIATIONS, ABBREVIATIONS_BEFORE_NUMBERS

__all__ = ["ends_sentence", "sentence_spans"]

_ROW_END: Final = re.compile(r"</tr\s?>", re.IGNORECASE)
_STOP: Final = re.compile(r"[.!?…][\"'”’»)\]]{0,2}[ \t]+|[。！？｡][」』”’）]{0,2}")
_END: Final = re.compile(r"[.!?…:。！？｡：][\"'”’»)\]」』）*_]*$")
_LONGEST_NUMBER: Final = 12
_UNIT: Final = re.compile(r"[0-9]\s?[°º]?\s?[^\W\d_]$")
"""A letter after a number is a unit, as in "1.5 L." or "18 °C.", not somebody's initial."""
_LAST_WORD: Final = re.compile(r"([^\W\d_]{1,12})$")


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Finds the spans of the sentences, list items and table rows of Markdown or an HTML table.

    They do not overlap and have no white space at their ends; all other characters are in one of them.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _lines(text):
        cuts = _row_ends(text, start, end) or _sentence_ends(text, start, end)
        for cut in (*cuts, end):
            piece = text[start:cut]
            left = start + len(piece) - len(piece.lstrip())
            right = start + len(piece.rstrip())
            if left < right:
                spans.append((left, right))
            start = cut
    return tuple(spans)


def ends_sentence(text: str) -> bool:
    """Whether a text ends with a mark that ends a sentence, or with a colon as before a list."""
    return bool(_END.search(text))


def _lines(text: str) -> list[tuple[int, int]]:
    """Finds the spans of a text's lines; a line that continues in the next (a soft break) joins it."""
    spans: list[tuple[int, int]] = []
    start = position = 0
    while (newline := text.find("\n", position)) >= 0:
        following = text[newline + 1 : newline + 2]
        if not (
            following.islower() or (text[newline - 1 : newline] in (",", "-") and following > " ")
        ):
            spans.append((start, newline))
            start = newline + 1
        position = newline + 1
    spans.append((start, len(text)))
    return spans


def _row_ends(text: str, start: int, end: int) -> list[int]:
    return [match.end() for match in _ROW_END.finditer(text, start, end)]


def _sentence_ends(text: str, start: int, end: int) -> list[int]:
    if text[start : start + 1] == "|":
        return []
    ends: list[int] = []
    for stop in _STOP.finditer(text, start, end):
        if _ends_sentence(text, stop, ends[-1] if ends else start):
            ends.append(stop.end())
    return ends


def _ends_sentence(text: str, stop: re.Match[str], start: int) -> bool:
    if stop[0][0] != ".":
        return True
    if text[stop.end() : stop.end() + 1].islower():
        return False
    before = text[max(start, stop.start() - 13) : stop.start()]
    if before.endswith("..") and text[stop.end() : stop.end() + 1].isdigit():
        # "Cleaning it ..... 21": the leader dots of a table of contents.
        return False
    word = _LAST_WORD.search(before)
    if word is None:
        # "1. Wear the watch": the number of a list item belongs to it.
        opening = text[start : min(stop.start(), start + _LONGEST_NUMBER)]
        return bool(opening.strip(" \t-*•(").strip("0123456789"))
    if _UNIT.search(before):
        return True
    short = word[1].casefold()
    if short in ABBREVIATIONS_BEFORE_NUMBERS:
        return not text[stop.end() : stop.end() + 1].isdigit()
    return len(short) > 1 and short not in ABBREVIATIONS
