"""Finds facts that a statement has twice: enumerated, "due 2026 and 2026", or in another unit.

If one of two years is changed into the other, the source still has every year of the statement. But
nobody enumerates the same thing twice unless the source does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from ...text.dates import Date
from ...text.numerals import Number, is_year
from .lexicon import CONJUNCTIONS

__all__ = ["enumerated_twice", "restated_otherwise"]

_JOINED: Final = re.compile(
    rf"\s?[%)]?\s?(?:[,;&/–—-]|{CONJUNCTIONS}){{1,2}}\.?\s?[$€£(]?\s?", re.IGNORECASE
)
_SIGN: Final = re.compile(r"[€£¥]$")
_RESTATED: Final = re.compile(r"\s[^\W\d_]{2,9}\s\(([€£¥]?)")
_CELL_END: Final = re.compile(r"[^\w]{1,6}")


def enumerated_twice(
    plain: str, facts: Iterable[Number | Date], sources: Sequence[str]
) -> list[str]:
    """The dates and numbers that a statement enumerates twice, but its sources do not.

    All texts are without markup. The sources enumerate a fact twice if only punctuation or a
    conjunction comes between the two; a number that is not a year only has to occur twice.
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


def restated_otherwise(plain: str, numbers: Iterable[Number]) -> list[str]:
    """Amounts in parentheses that differ from those before them: "$14.2 billion ($24,158 million)".

    Both amounts are in the same currency, with different scales.

    Args:
        plain: The statement without markup.
        numbers: The numbers of the statement.
    """
    found: list[str] = []
    scaled = sorted((n for n in numbers if n.scale), key=lambda number: number.span)
    for before, number in pairwise(scaled):
        between = _RESTATED.fullmatch(plain, before.span[1], number.span[0])
        # Plain text has no dollar signs.
        sign = _SIGN.search(plain, 0, before.span[0])
        if between is None or between[1] != (sign[0] if sign else ""):
            continue
        if before.scale != number.scale and not (
            before.matches(_written_out(number)) or number.matches(_written_out(before))
        ):
            found.append(number.text)
    return found


def _written_out(number: Number) -> Number:
    return Number(number.text, frozenset(value.scaleb(number.scale) for value in number.values))


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
