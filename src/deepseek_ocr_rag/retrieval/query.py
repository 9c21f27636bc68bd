"""A question as search understands it: its terms, the phrases they form, the places it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..text.sentences import sentence_spans
from ..text.terms import search_phrases, search_terms, with_stems
from .references import Reference, references_in

__all__ = ["Query", "parse_query"]

_ANSWER_FORM: Final = re.compile(
    r"(?:please |just |directly |only ){0,2}"
    r"(?:answer|write|give|list|format|save|represent|enumerate|round|express|provide|respond"
    r"|reply|return|output|(?:the|your) answer (?:should|must))\b"
    r".*(?:\b(?:answer|format(?:ted)?|list|integers?|decimals?|floats?|strings?|json|digits?"
    r"|words?|sentences?|percent(?:ages?)?|nearest)\b|['\"](?:yes|no)\b)",
    re.IGNORECASE,
)
"""A sentence that says what the answer should look like: a verb for it, and a form."""


_ASKS_FOR_PAGE: Final = re.compile(
    r"\b(?:which|what) pages?\b|\bpage numbers?\b|\bwelche[nrs]? seiten?\b|\bquelles? pages?\b"
    r"|哪一?[页頁]|第几页|第幾頁|何ページ",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for.

    Attributes:
        asked: The question without the sentences that say how the answer should look.
        terms: See :func:`with_stems`; function words left out.
        phrases: See :func:`search_phrases`.
        references: Pages, figures and tables that it names.
        asks_for_page: Whether it asks on which page something is.
    """

    asked: str
    terms: tuple[str, ...]
    phrases: tuple[str, ...]
    references: frozenset[Reference]
    asks_for_page: bool = False


def parse_query(question: str) -> Query:
    """Take a question apart.

    Sentences after the first one that say how the answer should look ("Write it as
    an integer.", in English) are left out: no page is about them.

    Example:
        >>> parse_query("How high is it? Write the answer in one word.").terms
        ('high', '~high')
    """
    sentences = [question[start:end] for start, end in sentence_spans(question)]
    asked = "\n".join(s for i, s in enumerate(sentences) if not i or _ANSWER_FORM.match(s) is None)
    found = search_terms(asked, function_words=False)
    return Query(
        asked=asked,
        terms=tuple(with_stems(found)),
        phrases=tuple(search_phrases(found)),
        references=references_in(asked),
        asks_for_page=_ASKS_FOR_PAGE.search(asked) is not None,
    )
