"""Cuts a text into parts of limited tokens: between sentences, else words, else anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from .sentences import sentence_spans

__all__ = ["CountTokens", "Span", "split_text"]

CountTokens = Callable[[str], int]
"""Counts the tokens of a text."""

Span = tuple[int, int]
"""``(start, end)`` in a text."""

_WORD: Final = re.compile(r"\S+")

_LONGEST_TOKEN: Final = 8
"""Most characters that a token is assumed to have; this keeps the search linear."""


def split_text(
    text: str, budget: int, count: CountTokens, span: Span | None = None
) -> Iterator[Span]:
    """Cuts a text into spans of at most ``budget`` tokens (a single character may have more).

    The rows of an HTML table count as sentences. Spans do not overlap and have no white space at
    their ends; every other character is in exactly one of them.
    """
    start, end = _trimmed(text, *(span or (0, len(text))))
    if start == end:
        return
    if count(text[start:end]) <= budget:
        yield start, end
        return
    sentences = [(start + a, start + b) for a, b in sentence_spans(text[start:end])]
    for part, fits in _filled(text, sentences, budget, count):
        if fits:
            yield part
            continue
        words = [match.span() for match in _WORD.finditer(text, *part)]
        for run, short in _filled(text, words, budget, count):
            yield from [run] if short else _pieces(text, *run, budget, count)


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    right = start + len(piece.rstrip())
    return (right - len(piece.strip()), right)


def _filled(
    text: str, spans: list[Span], budget: int, count: CountTokens
) -> Iterator[tuple[Span, bool]]:
    """Joins neighbouring spans while they fit; yields each result and whether it fits."""
    first, last, used = -1, 0, 0
    for start, end in spans:
        if first >= 0:
            # Counts the white space between them too.
            added = count(text[last:end])
            if used + added <= budget:
                last, used = end, used + added
                continue
            yield (first, last), used <= budget
        first, last, used = start, end, count(text[start:end])
    if first >= 0:
        yield (first, last), used <= budget


def _pieces(text: str, start: int, end: int, budget: int, count: CountTokens) -> Iterator[Span]:
    """Cuts off the longest prefix that fits, again and again; each has at least one character."""
    while start < end:
        # The longest that fits lies between low and high.
        low, high = 1, min(end - start, _LONGEST_TOKEN * budget)
        while low < high:
            middle = (low + high + 1) // 2
            if count(text[start : start + middle]) <= budget:
                low = middle
            else:
                high = middle - 1
        yield start, start + low
        start += low
