"""Finds the sentences of passages that fit a question best, by shared words and stems.

A word counts more the fewer sentences have it (inverse document frequency over the
sentences at hand), and less in a long sentence. The words of the heading, or of the
head of its table, count as words of the sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..retrieval.query import parse_query
from ..retrieval.retriever import Passage
from ..text.terms import question_terms, with_stems
from .verification.citable_units import CitableUnit, citable_units
from .verification.citation import Citation, citations

__all__ = ["Quoter"]

_LENGTH_PRIOR = 10
"""Terms added to each sentence's length, so that a fragment of two words does not
rank above a whole sentence."""


class Quoter:
    """Quotes passages; citations refer to them by index."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._units = [citable_units(p, index) for index, p in enumerate(self._passages)]
        self._terms = {unit: _terms(unit) for group in self._units for unit in group}
        self._count = Counter(term for found in self._terms.values() for term in found)
        self._total = len(self._terms)

    def best(self, text: str, limit: int) -> tuple[Citation, ...]:
        """Quote the sentences that fit a question, best first.

        At most ``limit``, and none that scores less than half of the best one.
        """
        wanted = set(with_stems(question_terms(parse_query(text).asked)))
        scored = [
            # An earlier passage fits better as a whole.
            (self._score(unit, wanted) / (1 + 0.1 * rank), unit)
            for rank, group in enumerate(self._units)
            for unit in group
        ]
        scored.sort(key=lambda item: -item[0])
        if not scored or scored[0][0] <= 0:
            return tuple(c for group in self._units[:1] for c in self._cite(group[0]))
        enough = scored[0][0] / 2
        quotes: dict[str, Citation] = {}
        for score, unit in scored:
            if score >= enough and len(quotes) < limit:
                for citation in self._cite(unit):
                    quotes.setdefault(citation.quote, citation)
        return tuple(quotes.values())

    def _cite(self, unit: CitableUnit) -> tuple[Citation, ...]:
        return citations(self._passages, (unit,))

    def _score(self, unit: CitableUnit, wanted: set[str]) -> float:
        found = self._terms[unit]
        shared = sum(math.log(1 + self._total / self._count[term]) for term in wanted & found)
        return shared / math.sqrt(len(found) + _LENGTH_PRIOR)


def _terms(unit: CitableUnit) -> frozenset[str]:
    return frozenset(with_stems(sorted(unit.terms | unit.terms_above)))
