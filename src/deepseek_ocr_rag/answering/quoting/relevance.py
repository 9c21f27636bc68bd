"""Decides whether passages are about a question at all, because search nearly always finds something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ...retrieval.lexical import name_terms
from ...retrieval.query import parse_query
from ...retrieval.retriever import Passage
from ...text.languages import content_words
from ...text.plain_text import plain_text
from ...text.terms import terms
from ..verification.citable_units import citable_units, years_above
from ..verification.statements import Statement, equivalent_words
from ..verification.term_frequencies import TermFrequencies
from .vocabulary import names_of, years_of

__all__ = ["ENOUGH", "ENOUGH_FIT", "is_about", "is_said", "relevance"]

ENOUGH: Final = 1 / 3
"""Lowest relevance at which to quote. A higher threshold refuses many questions that the documents
answer in other words; a lower one quotes for any question."""

ENOUGH_FIT: Final = 0.14
"""The same for :meth:`Retriever.fit`, which with enough pages refuses more unanswerable questions.
``benchmarks/NOTES.md`` says on what it was chosen."""

FEWEST_WORDS: Final = 3
"""Fewest words that a question must have: a sentence may have one or two words by chance."""

ABOUT_NAME: Final = 0.02
ABOUT_YEAR: Final = 0.08
"""A document is about a name, or a year, if at least this share of its chunks has it."""


def relevance(question: str, passages: Iterable[Passage], frequencies: TermFrequencies) -> float:
    """The weighted share of a question's words that the best passage has, 0..1.

    Sentences about the form of the answer do not count; 1 for a question without content words.
    ``frequencies`` are those of all documents that were searched.
    """
    asked = parse_query(question).asked
    words = Statement.of(asked).words.intersection(content_words(asked))
    weights = {word: frequencies.weight(word) for word in words}
    total = sum(weights.values())
    best = 0.0
    for passage in passages:
        found = set(terms(plain_text(" ".join((*passage.section, passage.text)))))
        equivalents = equivalent_words(words, found)
        best = max(best, sum(weights[word] for word in words if equivalents[word]))
    return best / total if total else 1.0


def is_said(question: str, passages: Sequence[Passage]) -> bool:
    """Whether one sentence or table row has all words of a question, if the question has enough.

    The lines above it count, too. This helps if a page fits a question badly only because most of
    it is about something else.
    """
    asked = set(content_words(parse_query(question).asked))
    if len(asked) < FEWEST_WORDS:
        return False
    years = years_above(passages)
    for index, passage in enumerate(passages):
        for unit in citable_units(passage, index, years[index]):
            found = unit.terms | unit.terms_above
            left = asked - found
            if not left or all(equivalent_words(left, found).values()):
                return True
    return False


def is_about(question: str, passages: Iterable[Passage], frequencies: TermFrequencies) -> bool:
    """Whether one of the passages may be about all names and years of a question.

    The passage must have each of them, or its document must have it in its name or in enough of its
    chunks. A report of one company mentions other companies once or twice, and earlier years more
    seldom than its own. Names that no document has in this spelling do not count: see
    :class:`Vocabulary`.
    """
    wanted = [
        (term, least)
        for found, least in ((names_of(question), ABOUT_NAME), (years_of(question), ABOUT_YEAR))
        for name in found
        for term in terms(name)
        if frequencies.knows(term)
    ]
    return not wanted or any(_has_all(passage, wanted, frequencies) for passage in passages)


def _has_all(
    passage: Passage, wanted: Iterable[tuple[str, float]], frequencies: TermFrequencies
) -> bool:
    text = plain_text(" ".join((*passage.section, passage.text)))
    own = {*terms(text), *name_terms(passage.source)}
    return all(
        term in own or frequencies.share(term, passage.source) >= least for term, least in wanted
    )
