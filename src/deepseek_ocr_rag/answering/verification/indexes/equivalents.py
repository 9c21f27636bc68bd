"""Finds a source's equivalents of a word: inflected forms, misread ones, synonyms."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from ....text.terms import with_stems
from ..lexicon import MEASURE_WORDS, SHORT_FORMS, UNIT_WORDS, Direction, direction

__all__ = ["Equivalents"]

MISREAD: Final = 0.86
"""Similarity (:mod:`difflib`) from which two long words count as one, misread by OCR or
inflected in a way that the stemmer does not know."""

SHORTEST_MISREAD: Final = 5
"""Fewest letters of a word that may be misread; shorter words are too often different words."""

LONGER: Final = 2
"""Most letters that one of two such words may have more than the other."""

_ALIKE: Final = UNIT_WORDS | SHORT_FORMS | MEASURE_WORDS
_ROUNDING: Final = 1e-9
_LETTERS: Final = 64
"""Letters counted separately when words that cannot be alike are ruled out early."""


class Equivalents:
    """The words of a vocabulary, sorted once and looked up many times.

    Args:
        vocabulary: All terms of a source.
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._words = frozenset(vocabulary)
        known = sorted(self._words)
        self._by_stem: dict[str, set[str]] = {}
        self._by_direction: dict[Direction, set[str]] = {}
        self._by_length: dict[int, list[tuple[int, str]]] = {}  # with a bit for each letter
        for word, stem in zip(known, _stems(known), strict=True):
            self._by_stem.setdefault(stem, set()).add(word)
            if moved := direction(word):
                self._by_direction.setdefault(moved, set()).add(word)
            if not word.isdigit():
                self._by_length.setdefault(len(word), []).append((_letters(word), word))
        self._found: dict[str, frozenset[str]] = {}

    def of(self, words: Collection[str]) -> dict[str, frozenset[str]]:
        """For each of the given words, the equivalent words of the vocabulary."""
        new = [word for word in words if word not in self._found]
        for word, stem in zip(new, _stems(new), strict=True):
            found = self._by_stem.get(stem, set()) | (self._words & {word})
            if moved := direction(word):
                found |= self._by_direction.get(moved, set())
            found |= _ALIKE.get(word, frozenset()) & self._words
            if not found:
                found = set(difflib.get_close_matches(word, self._similar(word), cutoff=MISREAD))
            self._found[word] = frozenset(found)
        return {word: self._found[word] for word in words}

    def similar(self, word: str) -> frozenset[str]:
        """The words that may be a misreading of this one; :meth:`of` takes the closest."""
        found = self._similar(word)
        return frozenset(difflib.get_close_matches(word, found, n=len(found) or 1, cutoff=MISREAD))

    def _similar(self, word: str) -> list[str]:
        """The words of about the same length that share most letters; none for a short word."""
        if len(word) < SHORTEST_MISREAD:
            return []
        own = _letters(word)
        found = []
        for length in range(len(word) - LONGER, len(word) + LONGER + 1):
            # Letters that only one of two words has lower their similarity: 1 - lacking / all >= MISREAD.
            most = (1 - MISREAD) * (length + len(word)) + _ROUNDING
            for letters, other in self._by_length.get(length, ()):
                if (own ^ letters).bit_count() <= most:
                    found.append(other)
        return found


def _letters(word: str) -> int:
    """A bit for each letter that a word has."""
    bits = 0
    for letter in word:
        bits |= 1 << ord(letter) % _LETTERS
    return bits


def _stems(found: list[str]) -> list[str]:
    return with_stems(found)[len(found) :]
