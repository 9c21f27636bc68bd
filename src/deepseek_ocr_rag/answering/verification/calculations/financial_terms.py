"""Finds the formulas that a question names or defines: sums and quotients of line items."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from ....retrieval.line_items import ITEMS, MEASURES, measures_named
from ....text.terms import terms, with_stems

__all__ = ["Formula", "LineItem", "formulas_asked"]

_QUOTIENT: Final = re.compile(
    r"\b(?:defined as:?|is|are|what is|of|between) (?P<a>[^/?.:;,]{3,60}?) (?:to|/|divided by|over) "
    r"(?P<b>[^/?.:;,]{3,60}?)(?= (?:ratio|for|of|in|at|as)\b|[?.,;]|$)",
    re.IGNORECASE,
)
_DEFINED: Final = re.compile(
    r"\bdefined as:? (?P<a>[^?.;:]{3,80}?) ?(?P<sign>/|divided by|less|minus|plus) ?(?P<b>[^?.;:]{3,80})",
    re.IGNORECASE,
)
_SIGN: Final = re.compile(r"\s([+-])\s")
_TOTAL_DEBT: Final = re.compile(r"\b(average )?total debt\b", re.IGNORECASE)
_DEBT_PARTS: Final = ("long-term debt", "current portion of long-term debt")
LONGEST_QUESTION: Final = 1000
"""Characters of a question that are searched for a formula."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """A row of a statement, by the words that its label may have."""

    phrases: tuple[frozenset[str], ...]  # stems; the first phrase that occurs in a row counts
    sign: int = 1
    is_average: bool = False  # whether the mean of this year and the one before is meant


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of line items, or a quotient of two sums."""

    name: frozenset[str]  # the terms that name it
    numerator: tuple[LineItem, ...]
    denominator: tuple[LineItem, ...]  # empty for a sum
    factor: int = 1
    is_measure: bool = False  # whether it is a known measure, not one that the question defines


def formulas_asked(text: str) -> tuple[Formula, ...]:
    """The formulas that a question names or defines, the most specific first."""
    text = " ".join(text[:LONGEST_QUESTION].split())
    written: list[tuple[frozenset[str], str, bool]] = []
    for pattern in (_DEFINED, _QUOTIENT):
        for match in pattern.finditer(text):
            sign = match.groupdict().get("sign") or "/"
            sign = {"less": "-", "minus": "-", "plus": "+"}.get(sign.casefold(), "/")
            name = frozenset(terms(match[0]))
            written.append((name, f"{match['a']} {sign} {match['b']}", False))
    named = [(len(_stems(measure.name)), measure) for measure in measures_named(text)]
    longest = max((length for length, _ in named), default=0)
    written += [
        (_names_of(measure.definition), measure.definition, True)
        for length, measure in named
        if length == longest
    ]
    return tuple(
        replace(_formula(name, variant), is_measure=is_measure)
        for name, formula, is_measure in written
        for variant in _variants(formula)
    )


def _variants(definition: str) -> tuple[str, ...]:
    """A definition, and the same with rare line items replaced by their parts."""
    if " / " not in definition:
        return (definition,)
    parts = _TOTAL_DEBT.sub(
        lambda m: " + ".join(f"{m[1] or ''}{part}" for part in _DEBT_PARTS), definition
    )
    return tuple(dict.fromkeys((definition, parts)))


def _names_of(definition: str) -> frozenset[str]:
    """The terms of all names of a measure: "free cash flow" is also "FCF"."""
    names = (measure.name for measure in MEASURES if measure.definition == definition)
    return frozenset(term for name in names for term in terms(name))


def _formula(name: frozenset[str], definition: str) -> Formula:
    above, _, below = definition.partition(" / ")
    factor = re.match(r"([0-9]+) ", above)
    above = above[factor.end() :] if factor else above
    return Formula(name, _sum(above), _sum(below) if below else (), int(factor[1]) if factor else 1)


def _sum(text: str) -> tuple[LineItem, ...]:
    parts = _SIGN.split(f" + {text.strip()}")[1:]
    items: list[LineItem] = []
    for sign, name in zip(parts[::2], parts[1::2], strict=True):
        bare = re.sub(r"^(?:the|average|total average)\s", "", name.strip().casefold())
        is_average = "average" in name.casefold().split()[:2]
        value = 1 if sign == "+" else -1
        expanded = _SUMS.get(bare)
        if expanded:
            items += (LineItem(i.phrases, i.sign * value, is_average) for i in _sum(expanded))
        else:
            items.append(LineItem(_phrases(bare), value, is_average))
    return tuple(items)


def _phrases(name: str) -> tuple[frozenset[str], ...]:
    known = [(item, *labels) for item, labels in ITEMS.items()]
    same = next((names for names in known if name in names), None) or (
        next((names for names in known if _stems(name) == _stems(names[0])), (name,))
    )
    return tuple(dict.fromkeys(filter(None, map(_stems, same))))


def _stems(text: str) -> frozenset[str]:
    found = [term for term in terms(text) if term not in _SMALL]
    return frozenset(with_stems(found)[len(found) :])


_SMALL: Final = frozenset(("the", "of", "and", "for", "in", "s", "a", "by", "to", "from", "on"))
_SUMS: Final = {
    measure.name: measure.definition
    for measure in MEASURES
    if " / " not in measure.definition and measure.name != "total debt"
}
