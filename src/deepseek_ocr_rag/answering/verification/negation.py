"""Words of a sentence with and without a "not" before them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from ...text.languages import function_words
from ...text.terms import content_terms
from .lexicon import NEGATION

__all__ = ["negated_terms", "plain_terms"]

_CLAUSE_END: Final = re.compile(r"[.,;:!?()\n]")
_REACH: Final = 60
"""Characters behind the negation within which the negated word must stand."""


def negated_terms(plain: str) -> Counter[str]:
    """Count the first content word behind each negation."""
    found: Counter[str] = Counter()
    small = function_words(plain)
    for negation in NEGATION.finditer(plain):
        behind = _CLAUSE_END.split(plain[negation.end() : negation.end() + _REACH])[0]
        found.update([term for term in content_terms(behind) if term not in small][:1])
    return found


def plain_terms(plain: str) -> Counter[str]:
    """Count the content words that occur without a negation before them."""
    return Counter(content_terms(plain)) - negated_terms(plain)
