"""Dates in a text, in a form in which two texts can be compared exactly.

``March 24, 2015`` and ``24.03.2015`` are the same date. Where a form can be read in
two ways (``3/4/2015``) both count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Date", "dates"]

Day = tuple[int | None, int, int | None]
"""Year, month, day; None where it is not said."""

_MONTHS: Final = """
    january jan januar jänner janvier enero gennaio janeiro januari
    february feb februar février febrero febbraio fevereiro februari
    march mar märz mars marzo março maart
    april apr avril abril aprile
    may mai mayo maggio maio mei
    june jun juni juin junio giugno junho
    july jul juli juillet julio luglio julho
    august aug août agosto augustus
    september sep sept septembre septiembre settembre setembro
    october oct oktober okt octobre octubre ottobre outubro
    november nov novembre noviembre novembro
    december dec dezember dez décembre diciembre dicembre dezembro
"""
_MONTH_NUMBERS: Final = {
    word: number
    for number, line in enumerate(_MONTHS.strip().splitlines(), start=1)
    for word in line.split()
}
_AMBIGUOUS_MONTHS: Final = frozenset(("may", "march", "mar"))
"""Other words where they are not capitalised."""

_MONTH: Final = rf"(?<![^\W\d_])({'|'.join(sorted(_MONTH_NUMBERS, key=len, reverse=True))})\b\.?"
_YEAR: Final = r"((?:1[5-9]|20|21)[0-9]{2})(?![0-9])"
_DAY_FIRST: Final = re.compile(
    rf"(?<![0-9.,])([0-3]?[0-9])(?:st|nd|rd|th|er|\.|º)?\s?(?:of |de |-)?{_MONTH}(?:(?:,|-| de)?\s?{_YEAR})?",
    re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    rf"{_MONTH}\s?([0-3]?[0-9])(?![0-9])(?:st|nd|rd|th)?(?:,?\s?{_YEAR}|(?![.,][0-9]))",
    re.IGNORECASE,
)
_MONTH_YEAR: Final = re.compile(rf"{_MONTH},?(?: of| de)?\s?{_YEAR}", re.IGNORECASE)
_YEAR_FIRST: Final = re.compile(
    r"(?<![0-9])([12][0-9]{3})[-/.]([01]?[0-9])[-/.]([0-3]?[0-9])(?![0-9])"
)
_YEAR_LAST: Final = re.compile(rf"(?<![0-9.,])([0-3]?[0-9])([-/.]) ?([0-3]?[0-9])\2 ?{_YEAR}")
_EAST_ASIAN: Final = re.compile(r"(?:([12][0-9]{3})年)?([01]?[0-9])月(?:([0-3]?[0-9])日)?")


@dataclass(frozen=True, slots=True)
class Date:
    """A date or a month, as it is written, and what it can mean.

    Attributes:
        text: As it stands there.
        days: Its readings: one, or two for ``3/4/2015``.
        span: ``(start, end)`` in the text it was found in.
    """

    text: str
    days: frozenset[Day]
    span: tuple[int, int]

    def matches(self, other: Date) -> bool:
        """Whether ``other``, as a source writes it, says all that is said here but the year.

        A page often names the year once; whether it has it is for the caller.
        """
        return any(_covers(theirs, mine) for theirs in other.days for mine in self.days)

    @property
    def year(self) -> int | None:
        """Its year, where it has one; all its readings have the same."""
        return next(iter(self.days))[0]


def dates(plain: str, *, overlapping: bool = False) -> tuple[Date, ...]:
    """The dates of a text: numeric ones, and with months in words of seven European languages.

    Args:
        plain: Without markup, see :func:`~.facts.plain_text`.
        overlapping: Whether of "30 May 5" both dates count, as in a source.

    Returns:
        In the order of their forms, not of the text.
    """
    found: list[Date] = []
    for pattern, read in _FORMS:
        for match in pattern.finditer(plain):
            days = frozenset(day for day in read(match) if _possible(day))
            start, end = match.span()
            if days and (overlapping or all(end <= d.span[0] or d.span[1] <= start for d in found)):
                found.append(Date(match[0].strip(), days, (start, end)))
    return tuple(found)


def _year_first(match: re.Match[str]) -> list[Day]:
    return [(_int(match[1]), int(match[2]), _int(match[3]))]


def _year_last(match: re.Match[str]) -> list[Day]:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    return [(year, second, first), (year, first, second)]


def _month_year(match: re.Match[str]) -> list[Day]:
    return [(int(match[2]), month, None) for month in _month(match[1])]


def _day_first(match: re.Match[str]) -> list[Day]:
    return [(_int(match[3]), month, int(match[1])) for month in _month(match[2])]


def _month_first(match: re.Match[str]) -> list[Day]:
    return [(_int(match[3]), month, int(match[2])) for month in _month(match[1])]


def _month(word: str) -> list[int]:
    folded = word.casefold()
    if word[0].islower() and folded in _AMBIGUOUS_MONTHS:
        return []
    return [_MONTH_NUMBERS[folded]]


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _possible(day: Day) -> bool:
    return 1 <= day[1] <= 12 and (day[2] is None or 1 <= day[2] <= 31)


def _covers(theirs: Day, mine: Day) -> bool:
    same_year = mine[0] is None or theirs[0] is None or mine[0] == theirs[0]
    return same_year and mine[1] == theirs[1] and mine[2] in (None, theirs[2])


_FORMS: Final = (
    (_YEAR_FIRST, _year_first),
    (_YEAR_LAST, _year_last),
    (_EAST_ASIAN, _year_first),
    (_DAY_FIRST, _day_first),
    (_MONTH_FIRST, _month_first),
    (_MONTH_YEAR, _month_year),
)
