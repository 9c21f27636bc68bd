"""Makes true answers false by changing a number, a date or a name, for benchmarks/qa/qa.py.

Replacements are drawn at random from a fixed seed: digits and years, names that no
document of the corpus has and, as the hardest case, numbers and capitalised words of
the same document.
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
    """Change one digit of one number."""
    found = [m for m in NUMBER.finditer(text) if not text[m.end() :].startswith(". ")]
    if not found:
        return None
    match = rng.choice(found)
    digits = [i for i, character in enumerate(match[0]) if character.isdigit()]
    index = rng.choice(digits)
    digit = (int(match[0][index]) + rng.randint(1, 9)) % 10
    changed = f"{match[0][:index]}{digit}{match[0][index + 1 :]}"
    return _with(text, match, changed) if changed.lstrip("0") != match[0].lstrip("0") else None


def number_of_the_document(text: str, document: str, rng: random.Random) -> str | None:
    """Replace one number by another one of the document."""
    return _drawn(text, NUMBER, NUMBER.findall(document), rng)


def changed_date(text: str, document: str, rng: random.Random) -> str | None:
    """Change one month or year."""
    found = list(DATE.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    others = MONTHS if match[0] in MONTHS else [str(int(match[0]) + d) for d in (-9, -2, -1, 1, 3)]
    return _with(text, match, rng.choice([other for other in others if other != match[0]]))


def changed_name(text: str, document: str, rng: random.Random) -> str | None:
    """Replace a capitalised word within a sentence by an unrelated name."""
    return _drawn(text, NAME, STRANGERS, rng)


def name_of_the_document(text: str, document: str, rng: random.Random) -> str | None:
    """Replace a capitalised word within a sentence by another one of the document."""
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
