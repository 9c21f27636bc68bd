"""Random texts made of fragments, and the shortest part of one that still breaks a check."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

__all__ = ["broken_by", "random_texts"]

CHARACTERS = "<>|/[]&#;0129,. \nabtrd=\"'"
"""What the model's tags, tables and boxes are made of."""

MOST_PARTS = 25
MOST_CHARACTERS = 8


def random_texts(fragments: Sequence[str], count: int, seed: int) -> Iterator[tuple[str, ...]]:
    """This many texts, each as its parts: fragments, characters of tags, and any others."""
    dice = random.Random(seed)
    for _ in range(count):
        yield tuple(_part(fragments, dice) for _ in range(dice.randint(0, MOST_PARTS)))


def _part(fragments: Sequence[str], dice: random.Random) -> str:
    kind = dice.randrange(3)
    if kind == 0:
        return dice.choice(fragments)
    length = dice.randint(0, MOST_CHARACTERS)
    if kind == 1:
        return "".join(dice.choices(CHARACTERS, k=length))
    # One in four from all of Unicode, the others from its first and most often written part.
    return "".join(
        chr(dice.randrange(0x110000 if dice.randrange(4) == 0 else 0x250)) for _ in range(length)
    )


def broken_by(check: Callable[[str], None], parts: Sequence[str]) -> str | None:
    """The shortest text found by leaving out parts, then characters, that fails; None if none does."""
    if not _fails(check, parts):
        return None
    return "".join(_shortest(check, tuple("".join(_shortest(check, tuple(parts))))))


def _shortest(check: Callable[[str], None], parts: tuple[str, ...]) -> tuple[str, ...]:
    place = 0
    while place < len(parts):
        shorter = parts[:place] + parts[place + 1 :]
        if _fails(check, shorter):
            parts = shorter
        else:
            place += 1
    return parts


def _fails(check: Callable[[str], None], parts: Sequence[str]) -> bool:
    try:
        check("".join(parts))
    except Exception:
        return True
    return False
