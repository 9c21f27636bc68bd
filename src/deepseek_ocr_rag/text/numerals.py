"""Numbers in a text, in a form in which two texts can be compared exactly.

``1,234.50`` and ``1.234,50`` are the same number. Where a form can be read in two
ways (``1.234``) both count, so that neither writing of a true statement is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

__all__ = ["SCALE_WORDS", "Number", "is_year", "numbers"]

_NUMBER: Final = re.compile(r"(?:(?<![^\s(\[$€£¥~])\.)?[0-9]+(?:[.,'’][0-9]+)*")
_SPACED: Final = re.compile(r"(?<![0-9.,] )(?<![0-9.,])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
_MISREAD: Final = re.compile(
    r"(?<![\w.,])(?=[lIO.,]*[0-9])(?=[0-9.,]*[lIO])[0-9lIO]+(?:[.,][0-9lIO]+)*(?!\w)"
    r"|(?:(?<=[(\[])|(?<=[a-z] ))l(?= [a-z])"
)
"""Figures of which OCR made letters: "l2O", "(l quart)"."""
_AS_DIGITS: Final = str.maketrans("lIO", "110")
_YEAR: Final = re.compile(r"(?:1[5-9]|20|21)[0-9]{2}")
_MARK: Final = re.compile(r"[.,'’]")
_ENGLISH: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_GERMAN: Final = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf"
_COUNTS: Final = {
    word: value for words in (_ENGLISH, _GERMAN) for value, word in enumerate(words.split())
}
_DECADES: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS: Final = {word: 10 * value for value, word in enumerate(_DECADES.split(), start=2)}
_WORDED: Final = re.compile(
    rf"(?<![^\W_])(?:({'|'.join(_TENS)})(?:-({'|'.join(_COUNTS)}))?|({'|'.join(_COUNTS)}))(?![^\W_])",
    re.IGNORECASE,
)
_PRONOUNS: Final = frozenset(("one", "eins", "null"))
"""Words for numbers that often count nothing: "this one"."""

SCALE_WORDS: Final = {
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "mn": 6, "bn": 9,
    "tausend": 3, "millionen": 6, "milliarden": 9, "mio": 6, "mrd": 9,
}  # fmt: skip
"""Words behind a number, and the powers of ten that they stand for."""

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
    """A number as it is written, and what it can mean.

    Attributes:
        text: As it stands there.
        values: Its readings: one, or two for ``1.234``.
        scale: Power of ten of a word after it: 6 for "million", else 0.
        span: ``(start, end)`` in the text it was found in.
        unit: What it counts, as far as that says what kind of number it is.
        is_rounded: Whether "about" or the like stands before it.
    """

    text: str
    values: frozenset[Decimal]
    scale: int = 0
    span: tuple[int, int] = (0, 0)
    unit: Unit = ""
    is_rounded: bool = False

    @property
    def is_points(self) -> bool:
        """Whether it is a difference of percentages."""
        return self.unit in ("points", "basis points")

    @property
    def value(self) -> Decimal:
        """The likelier of its readings: a comma before three digits groups, a point does not."""
        return min(self.values) if "." in self.text else max(self.values)

    def matches(self, other: Number) -> bool:
        """Whether ``other``, as a source writes it, says this number.

        ``23.7 billion`` is also said by ``23,706`` in a table of millions: what
        the source has, rounded to the digits that are written here; and so is
        ``about 44`` by ``43.7``. A growth of
        8 percent is no growth by 8 percentage points.
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
    """The numbers of a text, in digits and, up to ninety-nine, in English and German words.

    Args:
        plain: Without markup, see :func:`~.facts.plain_text`.
        every_reading: Whether to give all that it can be said to contain, as a
            source: "one" too, ``12 516`` as one number beside two, and ``l2O`` as 120.

    Returns:
        In no particular order, repeated as often as they occur.
    """
    found = [*_in_digits(plain), *_in_words(plain)]
    if every_reading:
        return (*found, *_in_groups(plain), *_misread(plain))
    return tuple(n for n in found if n.text.casefold() not in _PRONOUNS)


def is_year(text: str) -> bool:
    """Whether a number, as it is written, is most likely a year."""
    return _YEAR.fullmatch(text) is not None


def _in_digits(plain: str) -> Iterator[Number]:
    for match in _NUMBER.finditer(plain):
        scale, unit = _scale(plain, match.end()), _unit(plain, match.end())
        is_rounded = _ABOUT.search(plain, max(0, match.start() - 16), match.start()) is not None
        for values in _readings(match[0]):
            yield Number(match[0], values, scale, match.span(), unit, is_rounded)


def _in_words(plain: str) -> Iterator[Number]:
    for match in _WORDED.finditer(plain):
        tens, ones = (match[1] or "").casefold(), (match[2] or match[3] or "").casefold()
        yield _exact(match, Decimal(_TENS.get(tens, 0) + _COUNTS.get(ones, 0)), plain)


def _in_groups(plain: str) -> Iterator[Number]:
    for match in _SPACED.finditer(plain):
        yield _exact(match, Decimal(match[0].replace(" ", "")), plain)


def _exact(match: re.Match[str], value: Decimal, plain: str) -> Number:
    """A number that can be read in one way."""
    scale, unit = _scale(plain, match.end()), _unit(plain, match.end())
    return Number(match[0], frozenset((value,)), scale, match.span(), unit)


def _misread(plain: str) -> Iterator[Number]:
    for match in _MISREAD.finditer(plain):
        scale, unit = _scale(plain, match.end()), _unit(plain, match.end())
        for values in _readings(match[0].translate(_AS_DIGITS)):
            yield Number(match[0], values, scale, match.span(), unit)


def _scale(plain: str, end: int) -> int:
    match = _SCALE.match(plain, end)
    return SCALE_WORDS[match[1].casefold()] if match else 0


def _unit(plain: str, end: int) -> Unit:
    return next((unit for unit, pattern in _UNITS if pattern.match(plain, end)), "")


def _readings(token: str) -> list[frozenset[Decimal]]:
    """What ``1,234.5`` and its like mean: one number in one or two readings, or several numbers."""
    groups = _MARK.split(token)
    marks = _MARK.findall(token)
    if token[0] == ".":
        return [frozenset((Decimal(f"0{token}"),))] if len(marks) == 1 else _apart(groups[1:])
    in_threes = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
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
