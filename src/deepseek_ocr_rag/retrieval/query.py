"""A question as search understands it: terms, phrases, and the pages and figures it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..text.sentences import sentence_spans
from ..text.terms import search_phrases, search_terms, with_stems
from .query_lexicon import (
    ANSWER_FORM,
    ASKS_FOR_MEASURE,
    ASKS_FOR_PAGE,
    ASKS_FOR_SIGNATURE,
    CLOSING_WORDS,
    MEASURES,
)
from .references import Reference, references_in

__all__ = ["Query", "parse_query"]


_RUN_ON = re.compile(r"\?(?=[A-Z])")
"""A question mark without a space before the next sentence: "in FY2015?Answer in thousands."."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for."""

    asked: str  # the question without the sentences about the form of the answer
    terms: tuple[str, ...]  # with stems, function words left out
    phrases: tuple[str, ...]
    references: frozenset[Reference]  # the pages, figures and tables that it names
    asks_for_page: bool = False  # whether it asks on which page something is
    asks_for_signature: bool = False  # whether it asks who signed something


def parse_query(question: str) -> Query:
    """Parse a question.

    Leaves out English sentences, other than the first, that describe the form of the answer
    ("Write it as an integer."): no page is about them.
    """
    question = _RUN_ON.sub("? ", question)
    sentences = [question[start:end] for start, end in sentence_spans(question)]
    asked = "\n".join(s for i, s in enumerate(sentences) if not i or ANSWER_FORM.match(s) is None)
    found = search_terms(asked, function_words=False)
    asks_for_signature = ASKS_FOR_SIGNATURE.search(asked) is not None
    closings = with_stems(list(CLOSING_WORDS)) if asks_for_signature else []
    asked_for = " ".join(MEASURES[m[1].casefold()] for m in ASKS_FOR_MEASURE.finditer(asked))
    measures = with_stems(asked_for.split())
    return Query(
        asked=asked,
        terms=(*with_stems(found), *closings, *measures),
        phrases=tuple(search_phrases(found)),
        references=references_in(asked),
        asks_for_page=ASKS_FOR_PAGE.search(asked) is not None,
        asks_for_signature=asks_for_signature,
    )
