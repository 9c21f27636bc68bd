"""Finds the words of a sentence that have, or lack, a "not" before them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from ...document.table_heads import cells_of_row
from ...text.languages import function_words
from ...text.terms import content_terms
from .lexicon import NEGATION

__all__ = ["names_negation", "negated_terms", "plain_terms"]

_CLAUSE_END: Final = re.compile(r"[.,;:!?()\n]")
_REACH: Final = 60
"""Characters after a negation within which the negated word must come."""


@lru_cache(maxsize=2**11)
def negated_terms(plain: str) -> Counter[str]:
    """Count the first content word after each negation.

    The result is cached for the next statement that is compared with the same sentence, so do not
    change it.
    """
    found: Counter[str] = Counter()
    small = function_words(plain)
    for negation in NEGATION.finditer(plain):
        behind = _CLAUSE_END.split(plain[negation.end() : negation.end() + _REACH])[0]
        found.update([term for term in content_terms(behind) if term not in small][:1])
    return found


@lru_cache(maxsize=2**11)
def plain_terms(plain: str) -> Counter[str]:
    """Count the content words that occur without a negation before them; cached, too."""
    return Counter(content_terms(plain)) - negated_terms(plain)


def names_negation(heads: Iterable[str]) -> bool:
    """Whether a table has a column "Never" or "No", whose figures count something negated."""
    return any(NEGATION.fullmatch(cell.strip()) for head in heads for cell in cells_of_row(head))
