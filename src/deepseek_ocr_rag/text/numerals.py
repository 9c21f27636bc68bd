"""Finds the numbers in a text and compares them, however they are written.

``1,234.50`` and ``1.234,50`` are the same number. A form with two readings
(``1.234``) means both, so that a true statement matches in either notation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from .word_lists import NUMBER_PRONOUNS, NUMBER_WORDS, SCALE_WORDS, TENS_WORDS, folded

__all__ = ["Number", "is_year", "numbers"]

_NUMBER: Final = re.compile(r"(?:(?<![^\s(\[$€£¥~])\.)?[0-9]+(?:[.,'’][0-9]+)*")
_SPACED: Final = re.compile(r"(?<![0-9.,] )(?<![0-9.,])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
_MISREAD: Final = re.compile(
    r"(?<![\w.,])(?=[lIO.,]*[0-9])(?=[0-9.,]*[lIO])[0-9lIO]+(?:[.,][0-9lIO]+)*(?!\w)"
    r"|(?:(?<=[(\[])|(?<=[a-z] ))l(?= [a-z])"
)
"""Digits that OCR took for letters: "l2O", "(l quart)"."""
_AS_DIGITS: Final = str.maketrans("lIO", "110")
_YEAR: Final = re.compile(r"(?:1[5-9]|20|21)[0-9]{2}")
_MARK: Final = re.compile(r"[.,'’]")
_WORDED: Final = re.compile(
    rf"(?<![^\W_])(?:({'|'.join(TENS_WORDS)})(?:-({'|'.join(NUMBER_WORDS)}))?"
    rf"|({'|'.join(NUMBER_WORDS)}))(?![^\W_])",
    re.IGNORECASE,
)
_SCALE: Final = re.compile(rf"\s?({'|'.join(SCALE_WORDS)})\b", re.IGNORECASE)

Unit = Literal["", "percent", "points", "basis points"]
_UNITS: Final[tuple[tuple[Unit, re.Pattern[str]], ...]] = (
    ("basis points", re.compile(r"[\s-]?(?:basis points?|bps?\b|Basispunkte)")),
    ("points", re.compile(r"[\s-]?(?:%|percentage|Prozent)[\s-]?(?:points?|punkte)|\s?pp\b")),
    ("percent", re.compile(r"\s?\)?\s?(?:%|percent(?!age)|per cent|pct\b|Prozent\b)")),
)
_ABOUT: Final = re.compile(
    r"(?:[~≈]|\b(?:about|almost|approx\.|approximately|around|nearly|roughly|circa|ca\.|etwa|rund))"
    r"\s?[$€£¥]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written, and what it can mean."""

    text: str
    values: frozenset[Decimal]  # its readings: two for ``1.234``
    scale: int = 0  # power of ten of the word after it: 6 for "million"
    span: tuple[int, int] = (0, 0)
    unit: Unit = ""  # percent, percentage points or basis points, else ""
    is_rounded: bool = False  # whether "about" or a similar word comes before it

    @property
    def is_points(self) -> bool:
        """Whether it is a difference between percentages."""
        return self.unit in ("points", "basis points")

    @property
    def value(self) -> Decimal:
        """The likelier reading: before three digits, a comma groups thousands and a point does not."""
        return min(self.values) if "." in self.text else max(self.values)

    def matches(self, other: Number) -> bool:
        """Whether a source's number ``other`` states this number.

        The source's number may be more precise: ``23,706`` in a table of millions states ``23.7
        billion``, and ``43.7`` states ``about 44``. 8 percent does not state 8 percentage points.
        """
        if self.is_points and other.unit == "percent":
            return False
        if self.values & other.values:
            return not (self.scale and other.scale) or self.scale == other.scale
        if not self.scale:
            return self.is_rounded and _rounds_to(other.value, self.value, 0, scales=(0,))
        return any(
            _rounds_to(theirs, mine, self.scale) for theirs in other.values for mine in self.values
        )


def numbers(plain: str, *, every_reading: bool = False) -> tuple[Number, ...]:
    """Finds numbers in digits and in words (English to 99, German to 12), in no fixed order.

    Args:
        plain: Text without markup.
        every_reading: Whether to add everything that a source may mean: "one" counts, ``12 516`` is
            one number and also two, and ``l2O`` is 120.
    """
    found = [*_in_digits(plain), *_in_words(plain)]
    if every_reading:
        return (*found, *_in_groups(plain), *_misread(plain))
    return tuple(n for n in found if n.text.casefold() not in NUMBER_PRONOUNS)


def is_year(text: str) -> bool:
    """Whether a number as written is most likely a year."""
    return _YEAR.fullmatch(text) is not None


def _in_digits(plain: str) -> Iterator[Number]:
    for match in _NUMBER.finditer(plain):
        is_rounded = _ABOUT.search(plain, max(0, match.start() - 16), match.start()) is not None
        for values in _readings(match[0]):
            yield _number(plain, match, values, is_rounded=is_rounded)


def _in_words(plain: str) -> Iterator[Number]:
    for match in _WORDED.finditer(plain):
        tens, ones = folded(match[1] or ""), folded(match[2] or match[3] or "")
        yield _exact(plain, match, Decimal(TENS_WORDS.get(tens, 0) + NUMBER_WORDS.get(ones, 0)))


def _in_groups(plain: str) -> Iterator[Number]:
    for match in _SPACED.finditer(plain):
        yield _exact(plain, match, Decimal(match[0].replace(" ", "")))


def _misread(plain: str) -> Iterator[Number]:
    for match in _MISREAD.finditer(plain):
        for values in _readings(match[0].translate(_AS_DIGITS)):
            yield _number(plain, match, values)


def _exact(plain: str, match: re.Match[str], value: Decimal) -> Number:
    return _number(plain, match, frozenset((value,)))


def _number(
    plain: str, match: re.Match[str], values: frozenset[Decimal], *, is_rounded: bool = False
) -> Number:
    word = _SCALE.match(plain, match.end())
    scale = SCALE_WORDS[folded(word[1])] if word else 0
    units = (unit for unit, pattern in _UNITS if pattern.match(plain, match.end()))
    return Number(match[0], values, scale, match.span(), next(units, ""), is_rounded)


def _readings(token: str) -> list[frozenset[Decimal]]:
    """Returns the numbers that digits with marks between them can mean, each with its readings."""
    groups = _MARK.split(token)
    marks = _MARK.findall(token)
    if token[0] == ".":
        return [frozenset((Decimal(f"0{token}"),))] if len(marks) == 1 else _apart(groups[1:])
    # Nobody groups the digits of a number below a thousand: "0.005" is not 5.
    in_threes = len(groups[0]) <= 3 and groups[0][0] != "0"
    in_threes = in_threes and all(len(group) == 3 for group in groups[1:])
    joined = Decimal("".join(groups))
    if not marks:
        return [frozenset((joined,))]
    if len(marks) == 1 and marks[0] in ".,":
        decimal = Decimal(".".join(groups))
        return [frozenset((decimal, joined) if in_threes else (decimal,))]
    if len(set(marks)) == 1:
        return [frozenset((joined,))] if in_threes else _apart(groups)
    if marks[-1] not in marks[:-1] and all(len(group) == 3 for group in groups[1:-1]):
        return [frozenset((Decimal("".join(groups[:-1]) + "." + groups[-1]),))]
    return _apart(groups)


def _apart(groups: list[str]) -> list[frozenset[Decimal]]:
    return [frozenset((Decimal(group),)) for group in groups]


def _rounds_to(
    theirs: Decimal, mine: Decimal, scale: int, scales: Iterable[int] = (0, 3, 6, 9)
) -> bool:
    places = -int(mine.as_tuple().exponent)
    for table_scale in scales:
        scaled = theirs.scaleb(table_scale - scale)
        if mine and 0 <= places <= 6 and abs(scaled - mine) * 2 <= Decimal(1).scaleb(-places):
            return True
    return False
