"""The index of a vocabulary finds the same words as a look at each of them."""

from __future__ import annotations

import difflib
import random

from deepseek_ocr_rag.answering.verification.indexes.equivalents import MISREAD, Equivalents

LETTERS = "abcdelnorst"


def words(generator: random.Random, count: int) -> list[str]:
    return ["".join(generator.choices(LETTERS, k=generator.randint(3, 9))) for _ in range(count)]


def test_misread_words_are_those_that_difflib_finds_among_all() -> None:
    generator = random.Random(14)
    known = words(generator, 400)
    index = Equivalents(known)
    found = 0
    for word in known:
        at = generator.randrange(len(word))
        misread = word[:at] + generator.choice("mé1") + word[at + generator.randint(0, 1) :]
        if len(misread) < 5 or misread in known:
            continue
        alike = [w for w in known if abs(len(w) - len(misread)) <= 2 and not w.isdigit()]
        every = difflib.get_close_matches(misread, alike, n=len(alike), cutoff=MISREAD)
        assert index.similar(misread) == set(every)
        if not index.of([misread])[misread] - set(every):
            found += bool(every)
            closest = difflib.get_close_matches(misread, alike, cutoff=MISREAD)
            assert index.of([misread])[misread] == set(closest)
    assert found > 100


def test_words_are_found_by_stem_direction_and_unit() -> None:
    index = Equivalents(["measured", "fell", "kilometres", "km", "lamp"])
    found = index.of(["measuring", "decline", "km", "lanp", "lamp"])
    assert found["measuring"] == {"measured"}
    assert found["decline"] == {"fell"}
    assert "km" in found["km"]
    assert found["lanp"] == set()
    assert found["lamp"] == {"lamp"}
