"""Matches words of a name that differ in their endings: "an der Alten Mühle", "Ägaren"."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = ["name_forms"]

SHORTEST_STEM: Final = 3
"""Fewest letters of a name that stay when German inflects it: "an der Alten Mühle"."""

INFLECTED: Final = 2
"""Most last letters that may differ in a word whose capital may just begin the sentence."""

_GERMAN_ENDING: Final = re.compile("(?:e[mnrs]?|n|s)$")


def name_forms(
    term: str, there: Collection[str], spoken: Collection[str], alike: Collection[str] = ()
) -> set[str]:
    """The forms of a name's term that occur in the sources: the term, or with another ending.

    Args:
        term: A term of the name.
        there: Terms of the sources.
        spoken: The languages of the statement; German inflects names.
        alike: Equivalents, for a word that may not be a name: "Ägaren" is a form of "ägare".
    """
    if term in there:
        return {term}
    if len(term) > INFLECTED and (
        same := {each for each in alike if each in there and each.startswith(term[:-INFLECTED])}
    ):
        return same
    stem = _GERMAN_ENDING.sub("", term)
    if "de" not in spoken or len(stem) < SHORTEST_STEM:
        return set()
    return {other for other in there if _GERMAN_ENDING.sub("", other) == stem}
