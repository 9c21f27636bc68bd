"""Finds which parts of a sentence the sources say, if they do not say all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..text.plain_text import plain_text
from ..text.terms import content_terms
from .verification.citation import Citation
from .verification.verifier import Verifier

__all__ = ["SupportedPart", "supported_parts"]

_JOINTS: Final = re.compile(
    r"[;:—；：，、]|,\s|\s–\s|\s(?:and|but|which|while|because|und|aber|et|mais|y|pero)\s"
)
"""The punctuation and words between the parts of a sentence."""

FEWEST_WORDS: Final = 2
"""Fewest content words of a part: a single word occurs on almost any page."""

MOST_PARTS: Final = 8
LONGEST_SENTENCE: Final = 2000


@dataclass(frozen=True, slots=True)
class SupportedPart:
    """A part of a sentence that the sources say.

    Attributes:
        text: The part.
        citations: Where they say it.
    """

    text: str
    citations: tuple[Citation, ...]


def supported_parts(sentence: str, verifier: Verifier) -> tuple[SupportedPart, ...]:
    """The parts of a sentence that the sources say, each compared by itself.

    Args:
        sentence: A sentence that is not supported as a whole.
        verifier: Knows the sources.

    Returns:
        The parts that are supported; none if the sentence has no parts.
    """
    found = []
    for part in _parts(sentence):
        verdict = verifier.find(part)
        if verdict.supported and verdict.citations:
            found.append(SupportedPart(part, verdict.citations))
    return tuple(found)


def _parts(sentence: str) -> Iterator[str]:
    parts = _JOINTS.split(sentence[:LONGEST_SENTENCE])
    if 1 < len(parts) <= MOST_PARTS:
        for part in map(str.strip, parts):
            if len(content_terms(plain_text(part))) >= FEWEST_WORDS:
                yield part
