"""Whether passages are about a question at all: search always finds something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..retrieval.query import parse_query
from ..retrieval.retriever import Passage
from ..text.plain_text import plain_text
from ..text.terms import terms
from .verification.statements import Statement, same_words
from .verification.term_frequencies import TermFrequencies

__all__ = ["ENOUGH", "relevance"]

ENOUGH: Final = 1 / 3
"""Relevance below which nothing should be quoted: more would refuse many questions that
the documents answer in other words, less would quote for any."""


def relevance(question: str, passages: Iterable[Passage], background: TermFrequencies) -> float:
    """How much of a question one of the passages has, each word by its weight.

    Args:
        question: The question; what it says on the form of the answer does not count.
        passages: Those found.
        background: Of all documents that were searched.

    Returns:
        The share of the best passage, 0..1; 1 for a question without words of its own.
    """
    words = Statement.of(parse_query(question).asked).words
    weights = {word: background.weight(word) for word in words}
    total = sum(weights.values())
    best = 0.0
    for passage in passages:
        found = set(terms(plain_text(" ".join((*passage.section, passage.text)))))
        same = same_words(words, found)
        best = max(best, sum(weights[word] for word in words if same[word]))
    return best / total if total else 1.0
