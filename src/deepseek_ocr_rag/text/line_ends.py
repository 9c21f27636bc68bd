"""Joins the end of one line to the start of the next: hyphens, compounds, CJK scripts."""

from __future__ import annotations

import re

from .word_lists import COMPOUND_STARTS

__all__ = ["SOFT_HYPHENS", "is_cjk", "seam"]

SOFT_HYPHENS = "\u00ad\ufffe\u0002"
"""The soft hyphen, and the characters that PDFium writes for a hyphen at the end of a line."""

_HYPHENS = "-\u2010" + SOFT_HYPHENS

_CJK = re.compile(
    "[\u2e80-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uff60\U00020000-\U0003ffff]"
)


def is_cjk(char: str) -> bool:
    """Whether a character is Chinese or Japanese: these scripts put no spaces between words."""
    return _CJK.match(char) is not None


def seam(text: str, following: str, vocabulary: frozenset[str] = frozenset()) -> tuple[int, str]:
    """Decide how to join a text to its continuation in another line, column or page.

    Args:
        text: The text so far; not empty.
        following: Its continuation; not empty.
        vocabulary: The words of the page, case folded. A word that the page also writes with the
            hyphen keeps it, and a word that it also writes without the hyphen loses it.

    Returns:
        The number of characters to drop from the end of ``text`` (a hyphen that divides a word),
        and what to put between the two texts (a space, or nothing).
    """
    last, first = text[-1], following[0]
    if last in SOFT_HYPHENS:
        return 1, ""
    if is_cjk(last) and is_cjk(first):
        return 0, ""
    if last in _HYPHENS and len(text) > 1 and text[-2].isalnum():
        return int(_is_divided(text, following, vocabulary)), ""
    return 0, " "


def _is_divided(text: str, line: str, vocabulary: frozenset[str]) -> bool:
    """Whether the hyphen at the end of a text divides a word rather than joins a compound."""
    before = text[:-1].split()[-1].lstrip("([\"'\u201c\u2018")
    after = line.split()[0].rstrip(".,;:!?)]\"'\u201d\u2019")
    if not (before.isalpha() and line[0].islower()):
        # "1990-" "2000", "Jean-" "Paul", "state-of-the-" "art"
        return False
    whole, compound = (before + after).casefold(), f"{before}-{after}".casefold()
    keeps = compound in vocabulary or (
        whole not in vocabulary and before.casefold() in COMPOUND_STARTS
    )
    return not keeps
