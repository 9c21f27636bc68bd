"""Compares coordinated parts: "Linden was requeened in April by Ann and Maple in May by Joe".

The second part omits what it shares with the first, here the verb, and replaces the rest: the words
after the same preposition, or at the beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations
from typing import Final

from ....text.dates import Date
from ....text.languages import function_words
from ....text.numerals import Number
from ....text.terms import content_terms, terms
from ..alignment import Token, runs_of
from ..comparison import ClaimComparison
from ..facts import Facts, Name, claimed_facts
from ..lexicon import ARTICLES, PART_JOINTS
from ..statements import FactualUnit
from .claim_parts import breaks_of, part_spans

__all__ = ["is_in_whole_part", "mixed_parts", "other_subject"]

MOST_PARTS: Final = 4
"""Most parts of a sentence to compare; in a longer list, prepositions repeat."""

_JOINTS: Final = frozenset(" ".join(PART_JOINTS.values()).split())

_START = "^"


@dataclass(frozen=True, slots=True)
class _RoleFiller:
    """What a part has in a role: after a preposition, or at its beginning."""

    role: str
    kind: str  # of its words: number, name or word
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class _CoordinatedPart:
    terms: frozenset[str]
    fillers: tuple[_RoleFiller, ...]

    def replaces(self, filler: _RoleFiller, said: frozenset[str] = frozenset()) -> bool:
        """Whether it has something else in this filler's role, which the claim (``said``) lacks."""
        return not filler.terms <= self.terms and any(
            (own.role, own.kind) == (filler.role, filler.kind) and not own.terms <= said
            for own in self.fillers
        )


def is_in_whole_part(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date | Name
) -> bool:
    """Whether one part of a sentence has this fact and others of the claim's part.

    Then nothing in another part displaces them. A fact that only another part has must be one that
    this part omits, not one that it replaces.
    """
    if unit.is_row:
        return False
    parts = _parts_of(unit.own)
    facts = {frozenset(terms(text)) for text, _ in _facts_of(comparison.parts.of(fact).facts)}
    if len(parts) < 2:
        return False
    wanted = frozenset(terms(fact.text))
    for part in parts:
        own = {each for each in facts if each <= part.terms}
        shared = [f for other in parts for f in other.fillers if not part.replaces(f)]
        if (
            len(own) > 1
            and wanted in own
            and all(any(each <= f.terms for f in shared) for each in facts - own)
        ):
            return True
    return False


def mixed_parts(comparison: ClaimComparison) -> tuple[str, ...]:
    """Words that a claim takes from the wrong part of a sentence; empty if there are none.

    "Maple was requeened in May by Ann" takes "May" from the second part, which says "by Joe", and
    "Ann" from the first, which says "in April". Words that some part or row has together are right.
    """
    plain = comparison.claim.facts.plain
    units = [unit for _, unit in comparison.units]
    sentences = [_parts_of(unit.own) for unit in units if not unit.is_row]
    whole = [unit.citable.terms | unit.citable.terms_above for unit in units if unit.is_row]
    whole += [part.terms for parts in sentences for part in parts]
    for begin, end in _spans(plain):
        said = frozenset(terms(plain[begin:end]))
        for parts in sentences:
            if not 1 < len(parts) <= MOST_PARTS:
                continue
            for one, other in permutations(parts, 2):
                for mine, theirs in _mixed(one, other, said):
                    if not any(mine | theirs <= found for found in whole):
                        return tuple(sorted(theirs))
    return ()


def other_subject(comparison: ClaimComparison) -> tuple[str, ...]:
    """The subject of a claim, if the sources say the same only of another subject; empty otherwise.

    "Children travel free" has the words of "Dogs travel free" and a word of "for children". A subject
    with an article is compared only with subjects that have one, because "The company" may be the
    one whose name begins the sentence.
    """
    plain = comparison.claim.facts.plain
    opening = _Opening.of(plain, (0, len(plain)))
    words = comparison.claim.words
    if opening is None or opening.subject not in words - comparison.question.words:
        return ()
    subject, rest = opening.subject, words - {opening.subject}
    if len(rest) < 2 or not comparison.is_known(subject):
        return ()
    same, follows = comparison.equivalents_of(subject), comparison.equivalents_of(opening.next)
    is_contrary = False
    for index, (_, unit) in enumerate(comparison.units):
        if not all(index in comparison.having(word) for word in rest):
            continue
        openings = [] if unit.is_row else list(_openings(unit.own))
        others = [
            each
            for each in openings
            if each.next in follows
            and each.subject not in same
            and each.has_article == opening.has_article
            and all(not comparison.equivalents(w).isdisjoint(each.terms) for w in rest)
        ]
        if index not in comparison.having(subject):
            is_contrary = is_contrary or bool(others)
            continue
        # "The slide in November" omits its verb, "children pay 3 euros" does not.
        own = [each for each in openings if each.subject in same]
        apart = all(each.is_direct and each.next not in follows for each in own)
        if not (others and apart and all(same.isdisjoint(each.terms) for each in others)):
            return ()
        is_contrary = True
    return (subject,) if is_contrary else ()


def _mixed(
    one: _CoordinatedPart, other: _CoordinatedPart, said: frozenset[str]
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Pairs of what a claim takes from two parts, if each part replaces what the other has."""
    for mine in other.fillers:
        if mine.terms <= said and one.replaces(mine, said):
            for theirs in one.fillers:
                if theirs.terms <= said and other.replaces(theirs, said):
                    yield mine.terms, theirs.terms


@dataclass(frozen=True, slots=True)
class _Opening:
    """The first two content words of a part of a sentence, and all its terms."""

    subject: str
    next: str
    is_direct: bool  # whether they are adjacent, and the second is not a number
    has_article: bool
    terms: frozenset[str]

    @classmethod
    def of(cls, plain: str, span: tuple[int, int]) -> _Opening | None:
        """The opening of a part; None if it has no content word or begins with a number."""
        text = plain[slice(*span)]
        tokens = [token for run in runs_of(text) for token in run]
        small = function_words(plain)
        places = [at for at, token in enumerate(tokens) if not _is_small(token, small)][:2]
        if not places or not tokens[places[0]].text.isalpha():
            return None
        first, second = places[0], places[-1]
        return cls(
            tokens[first].term,
            tokens[second].term if second > first else "",
            second == first + 1 and tokens[second].kind != "number",
            not ARTICLES.isdisjoint(token.text.casefold() for token in tokens[:first]),
            frozenset(terms(text)),
        )


@lru_cache(maxsize=2**11)
def _openings(text: str) -> tuple[_Opening, ...]:
    cuts = [0, *(match.start() for match in breaks_of(text)), len(text)]
    found = (_Opening.of(text, span) for span in pairwise(cuts))
    return tuple(filter(None, found))


def _facts_of(facts: Facts) -> list[tuple[str, tuple[int, int]]]:
    """The texts of all facts, with their spans."""
    found: list[Number | Date | Name] = [*facts.numbers, *facts.dates, *facts.names]
    return [(each.text, each.span) for each in found]


def _spans(plain: str) -> tuple[tuple[int, int], ...]:
    """The parts of a sentence, each with a fact."""
    facts = claimed_facts(plain)
    if facts.plain != plain:
        # The number of a list item was removed, so the spans do not fit this text.
        return ((0, len(plain)),)
    spans = sorted(span for _, span in _facts_of(facts))
    return part_spans(plain, spans, spans)


@lru_cache(maxsize=2**11)
def _parts_of(text: str) -> tuple[_CoordinatedPart, ...]:
    small = function_words(text)
    parts = []
    for span in _spans(text):
        part = text[slice(*span)]
        parts.append(_CoordinatedPart(frozenset(terms(part)), tuple(_fillers(part, small))))
    return tuple(parts)


def _fillers(part: str, small: Collection[str]) -> Iterator[_RoleFiller]:
    runs = runs_of(part)
    for index, run in enumerate(runs):
        if _is_small(run[0], small):
            continue
        before = [t.text.casefold() for r in runs[:index] for t in r]
        while before and before[-1] in ARTICLES:
            before.pop()
        found = frozenset(term for token in run for term in terms(token.text))
        if not before or (len(before) == 1 and before[0] in _JOINTS):
            yield _RoleFiller(_START, run[0].kind, found)
        elif before[-1] in small:
            yield _RoleFiller(before[-1], run[0].kind, found)
        if run[0].kind == "number" and runs[index + 1 :]:
            # "5 hours at 30 °C and 2 hours at 45 °C": a unit also shows a figure's role.
            yield _RoleFiller(f"{runs[index + 1][0].term} ", "number", found)


def _is_small(token: Token, small: Collection[str]) -> bool:
    return token.text.casefold() in small or not content_terms(token.text)
