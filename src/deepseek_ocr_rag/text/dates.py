"""Finds the dates in a text and compares them, however they are written.

``March 24, 2015`` and ``24.03.2015`` are the same date. A form with two readings
(``3/4/2015``) means both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .word_lists import AMBIGUOUS_MONTHS, MONTH_NAMES, MONTHS, folded

__all__ = ["Date", "dates"]

Day = tuple[int | None, int, int | None]
"""Year, month and day; None where the text does not say."""

_MONTH: Final = rf"(?<![^\W\d_])({'|'.join(sorted(MONTHS, key=len, reverse=True))})\b\.?"
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
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_MONTH_ALONE: Final = re.compile(_MONTH, re.IGNORECASE)
_SENTENCE_START: Final = re.compile(r"(?:^|[.!?:]\s)[\s\"'“”„«»(\[]*$")
_YEAR_FIRST: Final = re.compile(
    r"(?<![0-9])([12][0-9]{3})[-/.]([01]?[0-9])[-/.]([0-3]?[0-9])(?![0-9])"
)
_YEAR_LAST: Final = re.compile(rf"(?<![0-9.,])([0-3]?[0-9])([-/.]) ?([0-3]?[0-9])\2 ?{_YEAR}")
_EAST_ASIAN: Final = re.compile(r"(?:([12][0-9]{3})年)?([01]?[0-9])月(?:([0-3]?[0-9])日)?")


@dataclass(frozen=True, slots=True)
class Date:
    """A date or a month as written, and what it can mean."""

    text: str
    days: frozenset[Day]  # its readings: two for ``3/4/2015``
    span: tuple[int, int]

    def matches(self, other: Date) -> bool:
        """Whether a source's date ``other`` states this day or month.

        A date without a year in the source matches too: a page often names the year only once. The
        caller checks that the page names it.
        """
        return any(_covers(theirs, mine) for theirs in other.days for mine in self.days)

    @property
    def year(self) -> int | None:
        """The year, the same in all readings; None where the text does not say."""
        return next(iter(self.days))[0]

    @property
    def is_month(self) -> bool:
        """Whether it is a month alone, without a day or a year."""
        return all(year is None and day is None for year, _, day in self.days)


def dates(plain: str, *, overlapping: bool = False, months: bool = False) -> tuple[Date, ...]:
    """Finds dates in digits, and dates with a month's name in eleven European languages.

    Args:
        plain: Text without markup.
        overlapping: Whether "30 May 5" gives both of its dates, as is needed for a source.
        months: Whether to add months alone: "in May", and for a source also "Dec".

    Returns:
        The dates in the order in which their forms are tried, not in the order of the text.
    """
    found: list[Date] = []
    # The patterns with names of months are slow, and most texts name no month.
    has_months = any(folded(word) in MONTHS for word in _LETTERS.findall(plain))
    for pattern, read in (*_IN_DIGITS, *_WITH_NAMES) if has_months else _IN_DIGITS:
        for match in pattern.finditer(plain):
            days = frozenset(day for day in read(match) if _is_possible(day))
            start, end = match.span()
            if days and (overlapping or all(end <= d.span[0] or d.span[1] <= start for d in found)):
                found.append(Date(match[0].strip(), days, (start, end)))
    if months and has_months:
        found += _months_alone(plain, [date.span for date in found], short=overlapping)
    return tuple(found)


def _months_alone(plain: str, taken: Sequence[tuple[int, int]], *, short: bool) -> Iterator[Date]:
    """The months for which a text gives neither day nor year.

    Months in the ``taken`` spans are left out, and so is a word at the start of a sentence that may
    be another word: "May cause drowsiness".
    """
    for match in _MONTH_ALONE.finditer(plain):
        start, end = match.span(1)
        name = folded(match[1])
        if any(start < e and s < end for s, e in taken) or not _month(match[1]):
            continue
        if name not in MONTH_NAMES and not (short and match[1][0].isupper()):
            continue
        opens = _SENTENCE_START.search(plain, max(0, start - 20), start)
        if name in AMBIGUOUS_MONTHS and opens and re.match(r"\s[a-z]", plain[end:]):
            continue
        yield Date(
            match[1], frozenset((None, month, None) for month in _month(match[1])), (start, end)
        )


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
    name = folded(word)
    if word[0].islower() and name in AMBIGUOUS_MONTHS:
        return []
    return [MONTHS[name]]


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _is_possible(day: Day) -> bool:
    return 1 <= day[1] <= 12 and (day[2] is None or 1 <= day[2] <= 31)


def _covers(theirs: Day, mine: Day) -> bool:
    same_year = mine[0] is None or theirs[0] is None or mine[0] == theirs[0]
    return same_year and mine[1] == theirs[1] and mine[2] in (None, theirs[2])


_IN_DIGITS: Final = (
    (_YEAR_FIRST, _year_first),
    (_YEAR_LAST, _year_last),
    (_EAST_ASIAN, _year_first),
)
_WITH_NAMES: Final = (
    (_DAY_FIRST, _day_first),
    (_MONTH_FIRST, _month_first),
    (_MONTH_YEAR, _month_year),
)
