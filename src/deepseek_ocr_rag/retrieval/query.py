"""Parses a question into what search needs: terms, phrases, and the pages and figures it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..text.sentences import sentence_spans
from ..text.terms import search_phrases, search_terms, with_stems
from ..text.word_lists import folded
from .line_items import related_items
from .query_lexicon import (
    ANSWER_FORM,
    ASKS_FOR_LISTING,
    ASKS_FOR_MEASURE,
    ASKS_FOR_PAGE,
    ASKS_FOR_SIGNATURE,
    CLOSING_WORDS,
    GLUED,
    MEASURES,
    REQUEST,
)
from .references import Reference, references_in

__all__ = ["Query", "parse_query"]

RELATED_WEIGHT: Final = 0.25
"""Weight of a word of a related line item; a word of the question has 1."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for."""

    asked: str  # the question without the sentences about the form of the answer
    terms: tuple[str, ...]  # with stems, function words left out
    phrases: tuple[str, ...]
    related: tuple[
        str, ...
    ]  # terms of the line items from which a measure in the question is calculated
    references: frozenset[Reference]  # the pages, figures and tables that it names
    asks_for_page: bool = False  # whether it asks on which page something is
    asks_for_signature: bool = False  # whether it asks who signed something
    asks_for_listing: bool = False  # whether it is about exhibits or an audit

    @property
    def weights(self) -> tuple[tuple[tuple[str, ...], float], ...]:
        """Its own terms and the related terms, with their weights."""
        return (self.terms, 1.0), (self.related, RELATED_WEIGHT)


def parse_query(question: str) -> Query:
    """Parse a question.

    Leaves out English sentences, other than the first, that describe the form of the answer
    ("Write it as an integer."), and words about answering ("You are an analyst."): no page is
    about them.
    """
    apart = GLUED.sub(" ", question)
    matter = REQUEST.sub(" ", apart)
    text = matter if search_terms(matter, function_words=False) else apart
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    asked = "\n".join(s for i, s in enumerate(sentences) if not i or ANSWER_FORM.match(s) is None)
    found = search_terms(asked, function_words=False)
    asks_for_signature = ASKS_FOR_SIGNATURE.search(asked) is not None
    closings = with_stems(list(CLOSING_WORDS)) if asks_for_signature else []
    asked_for = " ".join(MEASURES[folded(m[1])] for m in ASKS_FOR_MEASURE.finditer(asked))
    measures = with_stems(asked_for.split())
    return Query(
        asked=asked,
        terms=(*with_stems(found), *closings, *measures),
        phrases=tuple(search_phrases(found)),
        related=tuple(with_stems(related_items(asked))),
        references=references_in(asked),
        asks_for_page=ASKS_FOR_PAGE.search(asked) is not None,
        asks_for_signature=asks_for_signature,
        asks_for_listing=ASKS_FOR_LISTING.search(asked) is not None,
    )
