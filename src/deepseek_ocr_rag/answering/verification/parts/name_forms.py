"""Forms of the words of a name that differ in their endings: "an der Alten Mühle", "Ägaren"."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = ["name_forms"]

SHORTEST_STEM: Final = 3
"""Letters of a name that stay where German inflects it: "an der Alten Mühle"."""

INFLECTED: Final = 2
"""Last letters in which a word may differ whose capital may be that of a sentence."""

_GERMAN_ENDING: Final = re.compile("(?:e[mnrs]?|n|s)$")


def name_forms(
    term: str, there: Collection[str], spoken: Collection[str], alike: Collection[str] = ()
) -> set[str]:
    """What some terms have of a term of a name: itself, or with another ending.

    Args:
        term: Of the name.
        there: Terms of the sources.
        spoken: The languages of the statement; German inflects names.
        alike: For a word that may be no name, equivalents: "Ägaren" is inflected of "ägare".
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
