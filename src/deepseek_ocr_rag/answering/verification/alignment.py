"""What stands in a source in the place where a statement has a number or a name.

"Touch Devices at the bottom" and "touch Reset at the bottom" agree but for one
word. That "Devices" stands elsewhere on the page does not make it true: the words
around it are those of "Reset".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ...text.dates import dates
from ...text.terms import content_terms, terms

__all__ = ["clause", "is_displaced", "words_in"]

ENOUGH: Final = 2
"""Agreement that makes a place the same: one content word, or two function words or ends."""

_TOKEN: Final = re.compile(r"[0-9]+(?:[.,'’][0-9]+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_CLAUSE_END: Final = re.compile(
    r"[.!?;:,()\n](?=\s|$)|[;:()\n]|\b(?:vs|versus|while|whereas|compared (?:to|with))\b"
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    dated: bool = False

    @property
    def kind(self) -> str:
        if self.dated or self.text[0].isdigit():
            return "number"
        return "name" if self.text[0].isupper() and content_terms(self.text) else "word"

    @property
    def term(self) -> str:
        return " ".join(terms(self.text)) or self.text.casefold()


def clause(plain: str, span: tuple[int, int]) -> str:
    """The part of a sentence, between marks and conjunctions, in which something stands."""
    ends = [match.end() for match in _CLAUSE_END.finditer(plain)]
    start = max((end for end in ends if end <= span[0]), default=0)
    return plain[start : min((end for end in ends if end > span[1]), default=len(plain))]


def words_in(plain: str, span: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the words and numbers of a part of a text stand."""
    return [match.span() for match in _TOKEN.finditer(plain, *span)]


def is_displaced(claim: str, span: tuple[int, int], source: str) -> bool:
    """Whether a source has something else of the same kind where a claim has a fact.

    The same place is one with the same words on either side of it, counted
    outwards up to the first other one: a content word is enough, of function
    words and ends of the text two are. Several names in a row are one, and so is a date.

    Args:
        claim: Without markup.
        span: ``(start, end)`` of the number or name in it.
        source: A sentence without markup. If it has the fact as well, that must
            stand in a worse place.
    """
    mine, theirs = _runs(claim), _runs(source)
    for place, run in enumerate(mine):
        fact = {token.term for token in run if token.start < span[1] and span[0] < token.end}
        if fact:
            left, right = _terms(mine[:place])[::-1], _terms(mine[place + 1 :])
            fits = {True: 0, False: 0}
            for other, rival in enumerate(theirs):
                if rival[0].kind == run[0].kind:
                    shared = {token.term for token in run} & {token.term for token in rival}
                    fit = ENOUGH * len(shared - fact)
                    fit += _agreement(left, _terms(theirs[:other])[::-1])
                    fit += _agreement(right, _terms(theirs[other + 1 :]))
                    known = not fact.isdisjoint(shared)
                    fits[known] = max(fits[known], fit)
            return fits[False] >= ENOUGH and fits[False] > fits[True]
    return False


@lru_cache(maxsize=2**12)
def _runs(plain: str) -> tuple[tuple[_Token, ...], ...]:
    """The words of a text; names in a row, with nothing between them, and dates together."""
    whole = [date.span for date in dates(plain)]
    runs: list[list[_Token]] = []
    within: tuple[int, int] | None = None
    for match in _TOKEN.finditer(plain):
        date = next((s for s in whole if s[0] <= match.start() and match.end() <= s[1]), None)
        token = _Token(match[0], *match.span(), dated=date is not None)
        before = runs[-1][-1] if runs else token
        adjoin = plain[before.end : token.start] == " " and token.kind == "name" == before.kind
        if runs and (adjoin or (date is not None and date == within)):
            runs[-1].append(token)
        else:
            runs.append([token])
        within = date
    return tuple(map(tuple, runs))


def _terms(runs: Sequence[Sequence[_Token]]) -> list[str]:
    return [token.term for run in runs for token in run]


def _agreement(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """What two texts have in common from their beginnings on, as far as it matters."""
    total = 0
    for place in range(ENOUGH):
        my_word, their_word = mine[place : place + 1], theirs[place : place + 1]
        if my_word != their_word:
            return total
        total += ENOUGH if my_word and content_terms(my_word[0]) else 1
        if not my_word:
            return total
    return total
