"""Enumerations that have the same number or date twice: "due 2026 and 2026".

Whoever changes one of two years into the other names only what the source has. But
nobody enumerates the same thing twice, unless the source does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number, is_year

__all__ = ["enumerated_twice"]

_JOINED: Final = re.compile(
    r"\s?[%)]?\s?(?:[,;&/–—-]|\b(?:and|or|to|vs|versus|und|oder|bis|et|ou|y|e|o)\b){1,2}\.?\s?[$€£(]?\s?",
    re.IGNORECASE,
)
_CELL_END: Final = re.compile(r"[^\w]{1,6}")


def enumerated_twice(
    plain: str, facts: Iterable[Number | Date], sources: Sequence[str]
) -> list[str]:
    """The dates and numbers that a statement enumerates twice and its sources do not.

    Args:
        plain: The statement without markup.
        facts: Its numbers and dates, with their places in it.
        sources: The sentences that it rests on, without markup. They enumerate the
            same if they have it twice with nothing but marks or a conjunction between;
            of a number that is no year it is enough that it occurs twice.
    """
    found: list[str] = []
    run: list[str] = []
    ordered = sorted(facts, key=lambda fact: fact.span)
    for before, fact in pairwise(ordered):
        if not _JOINED.fullmatch(plain, before.span[1], fact.span[0]):
            run = []
            continue
        run = [*(run or [before.text]), fact.text]
        if fact.text in run[:-1] and not _has_twice(fact, sources):
            found.append(fact.text)
    return found


def _has_twice(fact: Number | Date, sources: Sequence[str]) -> bool:
    text = re.escape(fact.text)
    whole = re.compile(rf"(?<![\w.,]){text}(?![0-9]|[.,][0-9])", re.IGNORECASE)
    if isinstance(fact, Number) and not is_year(fact.text):
        return sum(len(whole.findall(source)) for source in sources) > 1
    for source in sources:
        spans = [match.span() for match in whole.finditer(source)]
        for (_, end), (start, _) in pairwise(spans):
            if _JOINED.fullmatch(source, end, start) or _CELL_END.fullmatch(source, end, start):
                return True
    return False
