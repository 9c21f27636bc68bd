"""Recognises text with the wrong letters, as fonts with a wrong mapping to Unicode produce it.

Only Latin letters are judged: their frequencies are much the same in all languages that use them,
and quite different if letters are shifted or exchanged.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

from ..text.stop_words import LANGUAGES, stop_words

__all__ = ["are_exchanged", "are_shifted"]

_PERCENT: Final = {
    letter: share
    for group, share in (
        ("e", 14.5), ("a", 8.6), ("n", 7.4), ("i", 7.3), ("st", 6.9), ("r", 6.6), ("o", 6.4),
        ("l", 4.5), ("u", 4.4), ("d", 4.2), ("c", 3.3), ("h", 2.8), ("m", 2.7), ("p", 2.4),
        ("g", 1.8), ("f", 1.4), ("bv", 1.3), ("w", 1.0), ("y", 0.9), ("k", 0.8), ("zq", 0.5),
        ("j", 0.3), ("x", 0.2),
    )
    for letter in group
}  # fmt: skip
"""Mean shares of the letters in English, German, French, Spanish, Italian, Portuguese and Dutch.
Tables of letter frequencies differ by a few tenths, which decide nothing here."""

_LOG: Final = {letter: math.log(share / 100) for letter, share in _PERCENT.items()}

_RUN: Final = re.compile(r"([^\w\s])\1{3,}")

_FEWEST = 150
"""Fewest letters of a text: with fewer, chance decides."""

_FEWEST_WORDS = 25
_COMMON = 0.06
"""Fewest words of a short text, and the share of function words below which it counts as having none.
None of 424 real pages with this many letters is below this share and also has unlikely letters."""

_WORD: Final = re.compile(r"[^\W\d_]+")

_LIKELY = -2.98
"""Lowest mean logarithm of the letters' shares of an ordinary text; real ones have -2.85 to -2.72. A
shift that reaches this is not an accident."""

_GAIN = 0.3
"""By how much a shifted text must be more likely than the text as it is."""

_UNLIKELY = -3.3
"""Below this mean, letters are exchanged; texts with exchanged letters have -3.4 and less."""


def are_shifted(text: str) -> bool:
    """Whether all characters, or all letters of the alphabet, are shifted by the same number."""
    # Some shift would turn dot leaders and lines of dashes into letters.
    counts = Counter(c for c in _RUN.sub("", text) if "!" <= c <= "~")
    if sum(counts.values()) < _FEWEST:
        return False
    found = _mean(counts, 0)
    asis = found if found is not None else -math.inf
    shifts = (
        *(_mean(counts, k) for k in range(-94, 95) if k),
        *(_turned(counts, k) for k in range(1, 26)),
    )
    best = max((mean for mean in shifts if mean is not None), default=-math.inf)
    return best > _LIKELY and best > asis + _GAIN


def are_exchanged(text: str) -> bool:
    """Whether the letters have frequencies that no language with Latin letters has.

    A short text may have them by chance, so hardly any common word may occur in it either.
    """
    counts = Counter(c for c in text.lower() if c in _LOG)
    total = sum(counts.values())
    others = sum(c.isalpha() for c in text) - total
    if total < _FEWEST or others > 0.2 * total:
        return False
    if sum(n * _LOG[c] for c, n in counts.items()) / total >= _UNLIKELY:
        return False
    return total >= 2 * _FEWEST or _has_no_common_words(text)


def _has_no_common_words(text: str) -> bool:
    """Whether hardly any word is a function word of a known language."""
    words = [word for word in _WORD.findall(text.lower()) if len(word) > 1]
    known = frozenset().union(*map(stop_words, LANGUAGES))
    found = sum(word in known for word in words)
    return len(words) >= _FEWEST_WORDS and found < _COMMON * len(words)


def _mean(counts: Counter[str], shift: int) -> float | None:
    """Average the letters' logarithms after a shift of the code points; None if few are letters."""
    letters = total = 0
    value = 0.0
    for char, n in counts.items():
        code = ord(char) + shift
        total += n
        moved = chr(code).lower() if code > 0 else ""
        if moved in _LOG:
            letters += n
            value += n * _LOG[moved]
    return value / letters if letters > 0.75 * total else None


def _turned(counts: Counter[str], shift: int) -> float | None:
    """Average the letters' logarithms after a shift within the alphabet; None for too few letters."""
    letters = sum(n for c, n in counts.items() if c.isalpha())
    if letters < _FEWEST:
        return None
    value = 0.0
    for char, n in counts.items():
        if char.isalpha():
            value += n * _LOG[chr((ord(char.lower()) - 97 + shift) % 26 + 97)]
    return value / letters
