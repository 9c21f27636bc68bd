"""Finds words of a statement that its sources use only for other things of the same kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ..comparison import ClaimComparison
from ..lexicon import ANY_UNIT
from ..row_labels import mark_of_row
from ..statements import FactualUnit, Statement
from .claim_parts import Marks, marks_of
from .designations import designations
from .table_cells import named_terms

__all__ = ["words_of_others"]

MOSTLY: Final = 0.5
"""If other things have at least this share of the words about a thing, the words belong to them."""

SHORTEST_INFLECTED: Final = 5
LONGEST_ENDING: Final = 2
"""Fewest letters of a name that may have an ending, and most letters of that ending."""


def words_of_others(
    comparison: ClaimComparison,
    kinds: Sequence[frozenset[frozenset[str]]],
    part: Statement,
    said: Sequence[frozenset[str]],
    *,
    numbered: frozenset[str],
    naming: frozenset[str],
) -> tuple[str, ...]:
    """The words of a part that are only in sentences and rows about other things; empty if none.

    "Ward 2 was repainted" is such a part if only a sentence about Ward 12 has the word, and so is
    "The press is serviced by Hollmann" if that is said of the mill, another row of the press's table.

    Args:
        comparison: The comparison of the claim with its sources.
        kinds: The terms of the names of things, by kind.
        part: A part of the claim.
        said: The terms of the part and, in case it names no thing, of the question, with equivalents.
        numbered: The words whose numbers are marks.
        naming: Words that only name a calculation.
    """
    found = ({name for kind in kinds for name in kind if name <= terms} for terms in said)
    named = next(filter(None, found), set())
    named = {name for name in named if not any(name < other for other in named)}
    others = {name for kind in kinds if not kind.isdisjoint(named) for name in kind}
    marks = marks_of(designations(part.facts.plain, numbered))
    if not (others - named or marks):
        return ()
    forms = {
        term: frozenset((term,)).union(
            *(same for word in part.words if term in (same := comparison.equivalents_of(word)))
        )
        for label in named
        for term in label
    }
    wanted = [[forms[term] for term in label] for label in named]
    of_others = frozenset(
        index
        for index, (_, unit) in enumerate(comparison.units)
        if _is_about_other(unit, wanted, others - named, marks, numbered)
    )
    own = frozenset(marks).union(*named)
    words = [
        word
        for word in (part.words & comparison.claim.words) - naming - ANY_UNIT
        if comparison.is_known(word) and own.isdisjoint(comparison.equivalents(word))
    ]
    theirs = sorted(word for word in words if comparison.having(word) <= of_others)
    return tuple(theirs) if theirs and len(theirs) >= MOSTLY * len(words) else ()


def _is_about_other(
    unit: FactualUnit,
    named: Collection[Collection[frozenset[str]]],
    others: Collection[frozenset[str]],
    marks: Marks,
    numbered: frozenset[str],
) -> bool:
    """Whether a sentence or row names another thing of the kind, and not the one that the part names."""
    found = named_terms(unit.own, numbered)
    if any(all(not forms.isdisjoint(found) for forms in label) for label in named):
        return False
    theirs = marks_of(designations(unit.own, numbered))
    if mark := mark_of_row(unit.citable):
        theirs |= marks_of((mark,))
    same = [word for word in marks if word in theirs]
    if any(not marks[word].isdisjoint(theirs[word]) for word in same):
        return False
    return bool(same) or any(_has_name(found, name) for name in others)


def _has_name(found: frozenset[str], name: frozenset[str]) -> bool:
    """Whether the terms include a name, perhaps with an ending: "Toppliften" for "Topplift"."""
    return all(
        term in found
        or (
            len(term) >= SHORTEST_INFLECTED
            and any(t.startswith(term) and len(t) - len(term) <= LONGEST_ENDING for t in found)
        )
        for term in name
    )
