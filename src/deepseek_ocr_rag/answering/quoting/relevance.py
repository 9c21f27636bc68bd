"""Whether passages are about a question at all: search nearly always finds something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...retrieval.query import parse_query
from ...retrieval.retriever import Passage
from ...text.plain_text import plain_text
from ...text.terms import terms
from ..verification.statements import Statement, equivalent_words
from ..verification.term_frequencies import TermFrequencies

__all__ = ["ENOUGH", "relevance"]

ENOUGH: Final = 1 / 3
"""Relevance from which to quote. A higher threshold refuses many questions that the documents
answer in other words; a lower one quotes for any question."""


def relevance(question: str, passages: Iterable[Passage], frequencies: TermFrequencies) -> float:
    """The weighted share of a question's words that the best passage has, 0..1.

    Sentences about the form of the answer do not count; 1 for a question without content words.
    ``frequencies`` are those of all documents that were searched.
    """
    words = Statement.of(parse_query(question).asked).words
    weights = {word: frequencies.weight(word) for word in words}
    total = sum(weights.values())
    best = 0.0
    for passage in passages:
        found = set(terms(plain_text(" ".join((*passage.section, passage.text)))))
        equivalents = equivalent_words(words, found)
        best = max(best, sum(weights[word] for word in words if equivalents[word]))
    return best / total if total else 1.0
