"""True answers made false: a number, a date or a name changed, for benchmarks/qa/qa.py.

What takes the place of the true one is drawn at random, from a fixed seed: digits
and years, names that no document of the corpus has, and, as the hardest case,
numbers and capitalised words of the same document.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_YEAR = "January February March April May June July August September October November December"
MONTHS = _YEAR.split()
DATE = re.compile(rf"\b(?:{'|'.join(MONTHS)})\b|\b(?:19|20)\d\d\b")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][A-Za-z]{2,}\b")
STRANGERS = ("Walmart", "Siemens", "Zurich", "Toyota", "Okonkwo", "Lindqvist", "Marrakesh")

Change = Callable[[str, str, random.Random], str | None]


def changed_number(text: str, document: str, rng: random.Random) -> str | None:
    """One digit of one number is another one."""
    found = [m for m in NUMBER.finditer(text) if not text[m.end() :].startswith(". ")]
    if not found:
        return None
    match = rng.choice(found)
    digits = [i for i, character in enumerate(match[0]) if character.isdigit()]
    place = rng.choice(digits)
    digit = (int(match[0][place]) + rng.randint(1, 9)) % 10
    changed = f"{match[0][:place]}{digit}{match[0][place + 1 :]}"
    return _with(text, match, changed) if changed.lstrip("0") != match[0].lstrip("0") else None


def number_of_the_document(text: str, document: str, rng: random.Random) -> str | None:
    """One number is another one that stands somewhere in the document."""
    return _drawn(text, NUMBER, NUMBER.findall(document), rng)


def changed_date(text: str, document: str, rng: random.Random) -> str | None:
    """A month or a year is another one."""
    found = list(DATE.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    others = MONTHS if match[0] in MONTHS else [str(int(match[0]) + d) for d in (-9, -2, -1, 1, 3)]
    return _with(text, match, rng.choice([other for other in others if other != match[0]]))


def changed_name(text: str, document: str, rng: random.Random) -> str | None:
    """A capitalised word within a sentence is a name that nothing has to do with it."""
    return _drawn(text, NAME, STRANGERS, rng)


def name_of_the_document(text: str, document: str, rng: random.Random) -> str | None:
    """A capitalised word within a sentence is another one of the document."""
    return _drawn(text, NAME, NAME.findall(document), rng)


CHANGES: dict[str, Change] = {
    "number changed": changed_number,
    "date changed": changed_date,
    "name changed": changed_name,
    "number of the same document": number_of_the_document,
    "name of the same document": name_of_the_document,
}


def _drawn(
    text: str, pattern: re.Pattern[str], others: Sequence[str], rng: random.Random
) -> str | None:
    found = list(pattern.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    possible = sorted({o for o in others if o.casefold().strip("0") not in text.casefold()})
    return _with(text, match, rng.choice(possible)) if possible else None


def _with(text: str, match: re.Match[str], other: str) -> str:
    return f"{text[: match.start()]}{other}{text[match.end() :]}"
