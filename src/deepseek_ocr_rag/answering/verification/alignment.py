"""Compares positions: finds what a source has where a statement has a number or a name.

"Touch Devices at the bottom" and "touch Reset at the bottom" differ in one word. The
statement is false even if "Devices" occurs elsewhere on the page, because the words
around it are those around "Reset".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ...text.dates import dates
from ...text.terms import content_terms, terms
from .lexicon import CLAUSE_BREAKS

__all__ = ["Token", "clause", "is_displaced", "is_same", "runs_of", "words_in"]

ENOUGH: Final = 2
"""Agreement that makes two positions the same: one content word, or two function words
or text ends."""

_TOKEN: Final = re.compile(r"[0-9]+(?:[.,'’][0-9]+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_CLAUSE_END: Final = re.compile(rf"[.!?;:,()\n](?=\s|$)|[;:()\n]|{CLAUSE_BREAKS}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a number of a text."""

    text: str
    start: int
    end: int
    dated: bool = False

    @property
    def kind(self) -> str:
        """Whether it is a number, a name, or another word."""
        if self.dated or self.text[0].isdigit():
            return "number"
        return "name" if self.text[0].isupper() and content_terms(self.text) else "word"

    @property
    def term(self) -> str:
        """As :func:`~.terms.terms` gives it."""
        return _term(self.text)


def clause(plain: str, span: tuple[int, int]) -> str:
    """The part of a sentence around a span, between punctuation marks and conjunctions."""
    ends = _clause_ends(plain)
    before, behind = bisect_right(ends, span[0]), bisect_right(ends, span[1])
    start = ends[before - 1] if before else 0
    return plain[start : ends[behind] if behind < len(ends) else len(plain)]


@lru_cache(maxsize=2**8)
def _clause_ends(plain: str) -> tuple[int, ...]:
    return tuple(match.end() for match in _CLAUSE_END.finditer(plain))


def words_in(plain: str, span: tuple[int, int]) -> list[tuple[int, int]]:
    """The spans of the words and numbers within a part of a text."""
    return [match.span() for match in _TOKEN.finditer(plain, *span)]


def is_same(claim: str, source: str) -> bool:
    """Whether two sentences differ in spaces, case and the mark at their end at most."""
    return _without_spaces(claim) == _without_spaces(source)


@lru_cache(maxsize=2**10)
def _without_spaces(plain: str) -> str:
    return "".join(plain.casefold().split()).rstrip(".;:!?")


def is_displaced(claim: str, span: tuple[int, int], source: str) -> bool:
    """Whether a source has something else of the same kind where a claim has a fact.

    Two positions are the same if the words on either side, counted outwards up to the first that
    differs, agree by at least :data:`ENOUGH`. Consecutive names count as one name, and a date as one
    number. The source sentence may have the fact elsewhere too, if the words around it agree less.
    Both texts are without markup; ``span`` is the fact's position in the claim.
    """
    mine, theirs = runs_of(claim), runs_of(source)
    for index, run in enumerate(mine):
        fact = {token.term for token in run if token.start < span[1] and span[0] < token.end}
        if fact:
            left, right = _before(mine, index), _after(mine, index)
            fits = {True: 0, False: 0}
            for other, rival in enumerate(theirs):
                if rival[0].kind == run[0].kind:
                    shared = {token.term for token in run} & {token.term for token in rival}
                    fit = ENOUGH * len(shared - fact)
                    fit += _agreement(left, _before(theirs, other))
                    fit += _agreement(right, _after(theirs, other))
                    known = not fact.isdisjoint(shared)
                    fits[known] = max(fits[known], fit)
            return fits[False] >= ENOUGH and fits[False] > fits[True]
    return False


@lru_cache(maxsize=2**12)
def runs_of(plain: str) -> tuple[tuple[Token, ...], ...]:
    """The words of a text; adjoining names, and the words of a date, form one run."""
    whole = [date.span for date in dates(plain, months=True)]
    runs: list[list[Token]] = []
    within: tuple[int, int] | None = None
    for match in _TOKEN.finditer(plain):
        date = next((s for s in whole if s[0] <= match.start() and match.end() <= s[1]), None)
        token = Token(match[0], *match.span(), dated=date is not None)
        before = runs[-1][-1] if runs else token
        adjoin = plain[before.end : token.start] == " " and token.kind == "name" == before.kind
        if runs and (adjoin or (date is not None and date == within)):
            runs[-1].append(token)
        else:
            runs.append([token])
        within = date
    return tuple(map(tuple, runs))


@lru_cache(maxsize=2**14)
def _term(text: str) -> str:
    return " ".join(terms(text)) or text.casefold()


def _before(runs: Sequence[Sequence[Token]], index: int) -> list[str]:
    """The terms before a run, nearest first, as many as are compared."""
    near = [token for run in runs[max(0, index - ENOUGH) : index] for token in run]
    return [token.term for token in reversed(near[-ENOUGH:])]


def _after(runs: Sequence[Sequence[Token]], index: int) -> list[str]:
    near = [token for run in runs[index + 1 : index + 1 + ENOUGH] for token in run]
    return [token.term for token in near[:ENOUGH]]


def _agreement(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """Score the common beginning of two texts: 2 for a content word, 1 for other words or the end."""
    total = 0
    for index in range(ENOUGH):
        my_word, their_word = mine[index : index + 1], theirs[index : index + 1]
        if my_word != their_word:
            return total
        total += ENOUGH if my_word and content_terms(my_word[0]) else 1
        if not my_word:
            return total
    return total
