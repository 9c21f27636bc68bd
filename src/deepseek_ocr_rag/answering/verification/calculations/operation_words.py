"""Finds the calculation that a statement or its question names by words, or by signs after numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from ....text.numerals import Number
from ....text.terms import terms, with_stems
from ....text.word_lists import SCALE_WORDS, folded
from ..alignment import clause
from ..lexicon import direction

__all__ = ["NamedCalculation", "Operation", "named_calculation", "scale_asked"]

Operation = Literal["change", "share", "whole", "ratio", "total", "difference", "average"]
_WORDS: Final[dict[Operation, str]] = {
    "change": "change growth improve improvement veränderung wachstum",
    "share": "account anteil contribute contribution fraction margin percentage portion proportion "
    "ratio represent share",
    "ratio": "coverage divided quotient ratio turnover verhältnis",
    "total": "aggregate altogether combined gesamt insgesamt sum summe together total zusammen somme "
    "ensemble suma conjunto juntos juntas totale somma insieme complessivamente soma totaal samen totalt "
    "sammanlagt summa tillsammans samlet sammenlagt razem łącznie итого всего вместе",
    "difference": "abstand differ difference differenz exceed gap spread unterschied",
    "average": "average durchschnitt durchschnittlich moyenne promedio media média gemiddeld gemiddelde "
    "genomsnitt gjennomsnitt gennemsnit średnio среднем",
}
_STEMS: Final = {
    operation: frozenset(with_stems(terms(words))) for operation, words in _WORDS.items()
}
_PERCENT_ASKED: Final = re.compile(r"\b(?:percent(?:age)?|Prozent)\b|%", re.IGNORECASE)
_SHARE_OF: Final = re.compile(
    r"\s?(?:%|percent|per cent|Prozent)\s(?:of|der|des|von|de|du|d[ei]l|dei|delle|av)\b",
    re.IGNORECASE,
)
"""Follows a share: "24.8 % of the visitors were pupils"."""
_WHOLE: Final = re.compile(r"\s?(?:%|percent|per cent|Prozent)\s\w")
"""Follows the 100 of "100 % full": two figures of a row are equal."""
_TIMES: Final = re.compile(r"\s?(?:times|x|mal)\b")
_COMPARED: Final = re.compile(r"\s[^.;]{0,40}?\b(?:more|fewer|less|higher|lower|mehr|weniger)\b")
_COMPARING: Final = re.compile(
    r"\bhow (?:many|much) (?:more|fewer|less|higher|lower)\b|\bwie viele? (?:mehr|weniger)\b", re.I
)
_LEVEL: Final = re.compile(r"\b(?:to|from|auf|von)\s[$€£~]?$", re.IGNORECASE)
"""Stands before the number that something rose to, or from, which is not a difference."""
_OPENING: Final = re.compile(r"[^\W\d]\D{1,40}?,\s")
"""An adverbial before the sentence: "Au total, il y a eu 273 vols"."""
_TOTAL: Final = re.compile(r"\b(?:in all|all told)\b", re.IGNORECASE)
_SCALED: Final = re.compile(rf"\b(?:in|of)\s[^.?;]{{0,20}}\b({'|'.join(SCALE_WORDS)})s?\b", re.I)


@dataclass(frozen=True, slots=True)
class NamedCalculation:
    """The calculation that is named for a number of a statement."""

    operations: frozenset[Operation]  # calculations that may give the number
    naming: frozenset[str]  # the terms that name them, such as "total" or "declined"
    is_percent: bool  # whether the number is a percentage


def named_calculation(number: Number, said: str, question: str) -> NamedCalculation:
    """The calculation that the words around a number name.

    ``said`` is the statement without markup, to which the number's span refers.

    Example:
        >>> from deepseek_ocr_rag.text.numerals import numbers
        >>> (number,) = numbers("Sales grew by 5 %.")
        >>> sorted(named_calculation(number, "Sales grew by 5 %.", "").operations)
        ['change', 'difference']
    """
    start, end = number.span
    opening = _OPENING.match(said)
    asked = set(terms(f"{opening[0] if opening else ''} {clause(said, number.span)} {question}"))
    stems = set(with_stems(sorted(asked)))
    operations = {name for name, known in _STEMS.items() if stems & known}
    if any(map(direction, asked)) and not _LEVEL.search(said[:start]):
        operations |= {"change", "difference"}
    if number.is_points or _COMPARED.match(said, end) or _COMPARING.search(question):
        operations.add("difference")
    if number.value == 100 and _WHOLE.match(said, end):
        operations.add("whole")
    if _SHARE_OF.match(said, end):
        operations.add("share")
    if _TOTAL.search(said):
        operations.add("total")
    if _TIMES.match(said, end):
        operations.add("ratio")
    return NamedCalculation(
        operations=frozenset(operations),
        naming=frozenset(word for word in asked if direction(word) or is_naming(word)),
        is_percent=number.unit == "percent" or _counts_percent(said[end:], question),
    )


def scale_asked(question: str) -> int:
    """The power of ten that a question asks for: 6 for "in USD millions", 0 for none."""
    named = _SCALED.search(question)
    return SCALE_WORDS[folded(named[1])] if named else 0


def _counts_percent(behind: str, question: str) -> bool:
    """Whether nothing follows the number, and the question asks for a percentage."""
    return not behind.strip(" .") and _PERCENT_ASKED.search(question) is not None


def is_naming(term: str) -> bool:
    """Whether a term may only name a calculation: "total", "average"."""
    return any(not known.isdisjoint(with_stems([term])) for known in _STEMS.values())
