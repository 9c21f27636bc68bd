"""Finds the part of a sentence that a name is in: "the choir by Ann Oak and the band by Ivo Kappel"."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ....text.languages import function_words
from ....text.terms import content_terms, terms
from ..comparison import ClaimComparison
from ..facts import Facts, claimed_facts
from ..statements import Statement
from .claim_parts import part_spans
from .designations import designations

__all__ = ["kinds_of_names", "name_in_other_clause"]

MOST: Final = 0.6
"""A sentence is about the same thing if it has this share of the words beside a name."""

WORDS_OF_KIND: Final = 2
"""Words of a name in which one word may tell things of a kind apart."""

MOST_CLAUSES: Final = 3
"""Most parts of a sentence; a longer list of names has their common words at its beginning."""


def name_in_other_clause(comparison: ClaimComparison) -> tuple[str, ...]:
    """A name of a claim that a sentence has in a part about something else; empty if there is none.

    The sentence has most words of the claim, but some of them only in a part with another name, and
    it has the name beside words that the claim does not have. No other sentence has these
    words of the claim and the name in one part.
    """
    plain, spans = comparison.claim.facts.plain, _name_spans(comparison.claim.facts)
    if not spans:
        return ()
    sentences = [_Sentence.of(unit.own) for _, unit in comparison.units if not unit.is_row]
    for begin, end in part_spans(plain, spans, spans):
        names = [
            frozenset(terms(plain[a:b]))
            for a, b in spans
            if begin <= a < end and not designations(plain[a:b], comparison.numbered)
        ]
        said = Statement.of(plain[begin:end]).words & comparison.claim.words
        for name in names:
            # If the claim is only a name, it answers the question's words.
            words = said - name or comparison.question.words - name
            same = [comparison.equivalents(word) for word in words]
            others = [other for other in names if other != name]
            found = [each.parted_from(name, others, same) for each in sentences]
            parted = [forms for each in found for forms in each]
            if parted and not any(
                name <= clause and not clause.isdisjoint(forms)
                for sentence in sentences
                for clause in sentence.clauses
                for forms in parted
            ):
                return tuple(sorted(name))
    return ()


def kinds_of_names(texts: Iterable[str]) -> list[frozenset[frozenset[str]]]:
    """Groups names that differ in one of their words, such as "Upper Mill" and "Lower Mill".

    Returns:
        For each word that several names share, the terms of these names.
    """
    names = {name for text in texts for name in _names_in(text)}
    found: dict[tuple[int, str, bool], set[frozenset[str]]] = {}
    for name in names:
        if len(set(name)) == WORDS_OF_KIND:
            for is_last in (False, True):
                shared = name[-1] if is_last else name[0]
                found.setdefault((len(name), shared, is_last), set()).add(frozenset(name))
    return [frozenset(kind) for kind in found.values() if len(kind) > 1]


@lru_cache(maxsize=2**11)
def _names_in(text: str) -> tuple[tuple[str, ...], ...]:
    spans = _name_spans(claimed_facts(text))
    return tuple(tuple(content_terms(text[slice(*span)])) for span in spans)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a source; ``clauses`` are the terms of its parts, each with a name."""

    clauses: tuple[frozenset[str], ...]
    small: frozenset[str]  # function words of its language

    @classmethod
    @lru_cache(maxsize=2**11)
    def of(cls, text: str) -> _Sentence:
        spans = _name_spans(claimed_facts(text))
        parts = part_spans(text, spans, spans)
        clauses = (frozenset(content_terms(text[slice(*span)])) for span in parts)
        return cls(tuple(clauses), function_words(text))

    def parted_from(
        self,
        name: frozenset[str],
        names: Collection[frozenset[str]],
        words: Collection[frozenset[str]],
    ) -> list[frozenset[str]]:
        """The claimed words, with equivalents, that are only in other parts than the name's.

        None if a part has another claimed name as well: "and Hive Maple by Jonas Reik" omits
        the verb, which only the part before has.

        Args:
            name: The terms of the name.
            names: The terms of other names that are claimed with it.
            words: The words that are claimed of it.
        """
        own = [clause for clause in self.clauses if name <= clause]
        others = [clause for clause in self.clauses if not name <= clause]
        if (
            not own
            or not others
            or len(self.clauses) > MOST_CLAUSES
            or any(n <= clause for n in names for clause in self.clauses)
        ):
            return []
        said, apart = frozenset().union(*own), frozenset().union(*others)
        known = [forms for forms in words if not forms.isdisjoint(said | apart)]
        if len(known) < MOST * len(words):
            return []
        more = said - name - self.small - frozenset().union(*words)
        return (
            [forms for forms in known if forms.isdisjoint(said)]
            if any(map(str.isalpha, more))
            else []
        )


def _name_spans(facts: Facts) -> list[tuple[int, int]]:
    """The spans of the names of a text, each with all its words."""
    spans: list[tuple[int, int]] = []
    for name in facts.names:
        if spans and facts.plain[spans[-1][1] : name.span[0]] == " ":
            spans[-1] = (spans[-1][0], name.span[1])
        else:
            spans.append(name.span)
    return spans
