"""Measures how common each word is in a document, and so how likely pages share it by chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final

from ...text.plain_text import plain_text
from ...text.terms import terms

__all__ = ["TermFrequencies"]

SEEN: Final = 0.5
CHUNKS: Final = 5.0
"""Added to the counts of a term and of all chunks, so that no term counts as certain or
impossible in a short document: without data, one chunk in ten has it."""

MOST_CHUNKS: Final = 500
"""Most chunks of a document to count, evenly spread."""


class TermFrequencies:
    """Counts terms per chunk. A document is counted when it is first needed.

    Args:
        texts: ``(source, text)`` of the chunks of the documents.
    """

    def __init__(self, texts: Iterable[tuple[str, str]] = ()) -> None:
        self._texts: dict[str, list[str]] = {}
        for source, text in texts:
            self._texts.setdefault(source, []).append(text)
        self._counted: dict[str, tuple[Counter[str], int]] = {}

    def chance(self, term: str, own: Iterable[tuple[str, frozenset[str]]]) -> float:
        """How likely it is that another chunk of the same documents has a term.

        Args:
            term: As :func:`~.terms.terms` gives it.
            own: ``(source, terms)`` of the passages in question, which do not count.

        Returns:
            Above 0, at most 0.95.
        """
        seen, chunks = SEEN, CHUNKS
        counted = set()
        for source, found in own:
            counts, total = self._counts(source)
            if source not in counted:
                counted.add(source)
                seen, chunks = seen + counts[term], chunks + total
            if total:
                seen, chunks = seen - (term in found), chunks - 1
        return min(max(seen, SEEN) / max(chunks, CHUNKS), 0.95)

    def share(self, term: str, source: str) -> float:
        """The share of a document's chunks that have a term, 0..1."""
        counts, total = self._counts(source)
        return counts[term] / total if total else 0.0

    def knows(self, term: str) -> bool:
        """Whether any document has a term."""
        return any(self._counts(source)[0][term] for source in self._texts)

    def weight(self, term: str) -> float:
        """The inverse document frequency of a term over the chunks of all documents."""
        counted = [self._counts(source) for source in self._texts]
        seen = SEEN + sum(counts[term] for counts, _ in counted)
        return math.log((CHUNKS + sum(total for _, total in counted)) / seen)

    def _counts(self, source: str) -> tuple[Counter[str], int]:
        if source not in self._counted:
            texts = self._texts.get(source, [])
            texts = texts[:: max(1, len(texts) // MOST_CHUNKS)]
            counts = Counter(term for text in texts for term in set(terms(plain_text(text))))
            self._counted[source] = counts, len(texts)
        return self._counted[source]
