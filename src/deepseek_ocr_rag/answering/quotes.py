"""The sentences of passages that fit a question best, by the words and stems they share.

A word counts more the fewer sentences have it (inverse document frequency, over
the sentences at hand), and long sentences count less per word. A sentence answers
to the words above it as well: a heading, or the head of its table.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..retrieval.query import parse_query
from ..retrieval.retriever import Passage
from ..text.terms import question_terms, with_stems
from .verification.citable_units import CitableUnit, quotables
from .verification.citation import Citation, citations

__all__ = ["Quoter"]

_LENGTH_PRIOR = 10
"""Terms added to each sentence's length, so that a fragment of two words does not
win over the sentence that says it."""


class Quoter:
    """Quotes passages.

    Args:
        passages: What can be quoted; citations name them by their index.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._quotables = [quotables(p, index) for index, p in enumerate(self._passages)]
        self._terms = {q: _terms(q) for group in self._quotables for q in group}
        self._count = Counter(term for found in self._terms.values() for term in found)
        self._total = len(self._terms)

    def best(self, text: str, limit: int) -> tuple[Citation, ...]:
        """The sentences of all passages that fit a text, best first.

        Args:
            text: A question.
            limit: At most this many; also none that fits less than half as
                well as the best one.
        """
        wanted = set(with_stems(question_terms(parse_query(text).asked)))
        scored = [
            # An earlier passage was found to fit better as a whole.
            (self._score(quotable, wanted) / (1 + 0.1 * rank), quotable)
            for rank, group in enumerate(self._quotables)
            for quotable in group
        ]
        scored.sort(key=lambda item: -item[0])
        if not scored or scored[0][0] <= 0:
            return tuple(c for group in self._quotables[:1] for c in self._cite(group[0]))
        enough = scored[0][0] / 2
        quotes: dict[str, Citation] = {}
        for score, quotable in scored:
            if score >= enough and len(quotes) < limit:
                for citation in self._cite(quotable):
                    quotes.setdefault(citation.quote, citation)
        return tuple(quotes.values())

    def _cite(self, quotable: CitableUnit) -> tuple[Citation, ...]:
        return citations(self._passages, (quotable,))

    def _score(self, quotable: CitableUnit, wanted: set[str]) -> float:
        found = self._terms[quotable]
        shared = sum(math.log(1 + self._total / self._count[term]) for term in wanted & found)
        return shared / math.sqrt(len(found) + _LENGTH_PRIOR)


def _terms(quotable: CitableUnit) -> frozenset[str]:
    return frozenset(with_stems(sorted(quotable.terms | quotable.terms_above)))
