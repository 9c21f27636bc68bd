"""Words of a sentence with and without a "not" before them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from ...text.terms import content_terms

__all__ = ["negated_terms", "plain_terms"]

_NEGATOR: Final = re.compile(
    r"""(?:\b(?:not|never|no|cannot|without|against|avoid(?:ing)?|nicht|niemals|ohne|kein(?:e[mnrs]?)?)\b|n['’]t\b)
    (?!\s?[,.!])""",
    re.IGNORECASE | re.VERBOSE,
)
_CLAUSE_END: Final = re.compile(r"[.,;:!?()\n]")
_REACH: Final = 60
"""Characters in which the negated word must stand."""


def negated_terms(plain: str) -> Counter[str]:
    """The first content word behind each negation, in English and German.

    Args:
        plain: Without markup.

    Example:
        >>> sorted(negated_terms("The hinge must not be removed. No, it can't."))
        ['removed']
    """
    found: Counter[str] = Counter()
    for negator in _NEGATOR.finditer(plain):
        behind = _CLAUSE_END.split(plain[negator.end() : negator.end() + _REACH])[0]
        found.update(content_terms(behind)[:1])
    return found


def plain_terms(plain: str) -> Counter[str]:
    """The content words that stand somewhere without a negation before them."""
    return Counter(content_terms(plain)) - negated_terms(plain)
