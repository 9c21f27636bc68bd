"""Checks whether a source has a fact only for something else than the claim names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ....document.table_heads import cells_of_row
from ....text.dates import Date, dates
from ....text.numerals import Number, is_year, numbers
from ....text.plain_text import plain_text
from ....text.stop_words import LANGUAGES, stop_words
from ....text.terms import content_terms, terms
from ....text.word_lists import MONTHS
from ..comparison import ClaimComparison
from ..facts import Facts, years_in
from ..lexicon import ANY_UNIT, direction
from ..row_labels import mark_of_row
from ..statements import FactualUnit, as_number, has_figure
from ..table_columns import cells_with_heads, date_terms, is_under_other_head
from .claim_parts import Marks, marks_around, marks_of, part_at, part_spans
from .designations import designations

__all__ = [
    "crosses_at",
    "is_below_other_head",
    "is_in_other_clause",
    "is_in_other_column",
    "is_of_other_designation",
    "is_of_other_part",
    "is_only_above",
    "is_only_in_other_column",
    "is_other_in_sentence",
    "is_own_clause",
]

_Span = tuple[int, int]

_MARKED: Final = re.compile(r"[.,]")
"""The mark in a number with decimals or grouped digits."""


def is_of_other_part(comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether the part of the claim with this fact names another row of the table, not this one."""
    rows = comparison.parts.rows(fact)
    if rows is None or not unit.citable.is_row:
        return False
    # Two tables with the same head, such as those of two groups, are compared as one.
    table, heads = unit.citable.table, unit.citable.heads
    return any(
        rows.is_named_instead(other.citable, unit.citable)
        for other in comparison.named_rows(rows)
        if other.citable.table == table or (heads and other.citable.heads == heads)
    )


def is_of_other_designation(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> bool:
    """Whether a unit has a fact for "Probe B", while the claim has it for "Probe A"."""
    named = comparison.parts.marks(fact)
    if not named:
        return False
    having = list(_marks_of_fact(comparison, unit, fact))
    return bool(having) and all(_differ(comparison, named, marks) for marks in having)


def is_in_other_clause(comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether a sentence has a fact only in a part about something else.

    "Blood was drawn on 14 March and the report released on 16 March" does not support "The report was
    released on 14 March": the part with that date has no word of the claim, the other part has some.
    In "The battery is guaranteed for 8 years and the paint for 3", "8 years" is not about the paint.
    """
    own, others = _clauses(comparison, unit, fact)
    if not own or not others or any(not part.names_more for part in own):
        return False
    if not any(part.shared for part in own):
        return any(part.shared for part in others)
    said = frozenset().union(*(part.shared for part in own))
    return any(not part.names_more and part.shared - said for part in others)


def is_own_clause(comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether the part of a sentence with a fact has words of the claim that other parts lack.

    The other parts are then about something else, so their figures do not displace this one.
    """
    own, others = _clauses(comparison, unit, fact)
    theirs = frozenset().union(*(part.shared for part in others))
    if not others or not all(part.names_more for part in others):
        return False
    return any(part.shared - theirs for part in own)


@dataclass(frozen=True, slots=True)
class _Clause:
    """A part of a source's sentence, compared with the part of the claim that has a fact."""

    shared: frozenset[str]  # words and years of the claim that it has
    names_more: bool  # whether it has words that the claim does not have


def _clauses(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> tuple[list[_Clause], list[_Clause]]:
    """The parts of a sentence that have a fact, and the other parts; none for a table row."""
    if unit.is_row:
        return [], []
    places, parts = _places_and_parts(comparison, unit, fact)
    if len(parts) < 2 or not places:
        return [], []
    if any(not content_terms(unit.own[:start]) for start, _ in places):
        # "In 2022" at the beginning applies to the whole sentence.
        return [], []
    claim = comparison.parts.of(fact)
    small = frozenset().union(*map(stop_words, claim.languages & {*LANGUAGES}))
    words = (claim.words & comparison.claim.words) - ANY_UNIT - small
    words -= {*terms(fact.text)}
    same = {word: comparison.equivalents(word) for word in words}
    dated = sum(bool(years_in(unit.own[slice(*part)])) for part in parts)
    # A year that only one part has applies to all parts.
    if isinstance(fact, Number) and dated > 1:
        same |= {str(year): frozenset((str(year),)) for year in years_in(claim.text)}
    said = frozenset().union(*same.values(), small)
    found: tuple[list[_Clause], list[_Clause]] = [], []
    own = {part_at(parts, place) for place in places}
    for index, (start, end) in enumerate(parts):
        having = {t for t in content_terms(unit.own[start:end]) if t not in small}
        shared = frozenset(word for word, forms in same.items() if not having.isdisjoint(forms))
        clause = _Clause(shared, _names_something(having - said))
        found[0 if index in own else 1].append(clause)
    return found


def crosses_at(unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether a row and a column name a month together: "2023" and "February"."""
    if not (isinstance(fact, Date) and unit.citable.is_row and unit.citable.heads):
        return False
    label = (cells_of_row(unit.citable.text) or ("",))[0]
    names = [name for head in unit.citable.heads for name in cells_of_row(head)[1:]]
    return any(
        (year in years_in(label) and any(month in _months(name) for name in names))
        or (month in _months(label) and any(year in years_in(name) for name in names))
        for year, month, day in fact.days
        if day is None
    )


def _months(text: str) -> frozenset[int]:
    return frozenset(MONTHS[word] for word in terms(text) if word in MONTHS)


def is_only_above(unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether a number is only in a line above a row, and there in another form.

    The 31 of the heading "Week 31" is not the figure 31.00.
    """
    if not (isinstance(fact, Number) and unit.citable.is_row and _MARKED.search(fact.text)):
        return False
    if any(fact.matches(number) for number in numbers(unit.own, every_reading=True)):
        return False
    return fact.text not in plain_text(unit.citable.above)


def is_other_in_sentence(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> bool:
    """Whether a sentence has another month or year than this row or its head, in the same position.

    The sentence must have all words of the claim that the row lacks. If it says "irrigated since 2023",
    the column 2022 of a table does not support "irrigated since 2022", nor does the row of May support
    "repaired in May" if a sentence says "repaired in June".
    """
    if not unit.citable.is_row:
        return False
    if isinstance(fact, Date):
        if not fact.is_month:
            return False
    elif not is_year(fact.text) or fact.text in unit.own:
        return False
    row = unit.citable.terms | unit.citable.terms_above
    words = comparison.parts.of(fact).words & comparison.claim.words
    missing = [w for w in words if comparison.equivalents(w).isdisjoint(row)]
    return bool(missing) and any(
        all(not comparison.equivalents(w).isdisjoint(other.citable.terms) for w in missing)
        and comparison.displaces(other, fact)
        for _, other in comparison.units
        if not other.is_row
    )


def is_in_other_column(comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date) -> bool:
    """Whether a row has a number only in columns of other years than those asked for.

    The row must also have a column of a year that the statement or its question names.
    """
    years = _years_of(comparison, unit, fact)
    if not isinstance(fact, Number) or not any(f.years & years for f in unit.figures):
        return False
    same = [f for f in unit.figures if fact.matches(as_number(f.value))]
    return bool(same) and all(f.years and not f.years & years for f in same)


def is_below_other_head(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> bool:
    """Whether a row has a fact only below heads that the claim does not name, and it names others.

    The words of the claim's part with the fact count if they name a column; otherwise those of the
    whole claim, or, if these name none, those of the question.
    """
    heads = unit.citable.heads
    if not heads:
        return False
    cells = cells_with_heads(unit.citable.text, heads)
    if is_year(fact.text) and cells and comparison.states(cells[0].facts, fact):
        # The year is the label of the row.
        return False
    own = unit.citable.terms
    names = {word for cell in cells for word in cell.near}
    claim = comparison.claim
    part = comparison.parts.of(fact)
    if not comparison.among(part.words & claim.words, names - own):
        part = claim
    words = part.words & claim.words
    if not comparison.among(words, names):
        words = comparison.question.words
    said = (part.words & claim.words) | comparison.question.words
    own_words = comparison.among(words, own) | own
    dated = {*map(str, _years_of(comparison, unit, fact))}
    days = part.facts.dates or claim.facts.dates or comparison.question.facts.dates
    codes = comparison.codes | date_terms(days)

    def is_claimed(facts: Facts) -> bool:
        return all(any(f.matches(n) for f in part.facts.numbers) for n in facts.numbers)

    def named(found: Collection[str]) -> Collection[str]:
        return comparison.among(said, found) | {*found} & (codes | dated)

    def named_apart(found: Collection[str]) -> Collection[str]:
        return (comparison.among(words, found) | {*found} & codes) - own_words

    return is_under_other_head(
        cells, lambda facts: comparison.states(facts, fact), is_claimed, named, named_apart
    )


def is_only_in_other_column(comparison: ClaimComparison, fact: Number) -> bool:
    """Whether a row has a number, but in a column that neither claim nor question names.

    Then a calculation that gives the same number is a coincidence.
    """
    return any(
        is_in_other_column(comparison, unit, fact) or is_below_other_head(comparison, unit, fact)
        for _, unit in comparison.units
        if unit.citable.is_row and has_figure(unit, fact)
    )


def _years_of(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> frozenset[int]:
    """The years in whose columns a row may have a number of the claim.

    They are the years of the number's part, if it names any. Those of the question count only if the
    claim has more numbers of the row than years: in "It rose to 12 in 2019 from 10", the 10 belongs
    to another year.
    """
    if own := comparison.parts.years(fact):
        return own
    values = {figure.value for figure in unit.figures if figure.years}
    stated = [
        number
        for number in comparison.claim.facts.numbers
        if any(number.matches(as_number(value)) for value in values)
    ]
    years = comparison.own_years
    return years if years and len(years) >= len(stated) else comparison.years


def _marks_of_fact(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> list[Marks]:
    """The marks of words around each place where a unit has a fact."""
    places, parts = _places_and_parts(comparison, unit, fact)
    found = designations(unit.own, comparison.numbered)
    over = marks_of(designations(unit.citable.above, comparison.numbered))
    if mark := mark_of_row(unit.citable):
        over |= marks_of((mark,))
    return [over | marks_around(found, parts, place) for place in places]


def _places_and_parts(
    comparison: ClaimComparison, unit: FactualUnit, fact: Number | Date
) -> tuple[list[_Span], tuple[_Span, ...]]:
    """The places where a unit has a fact, and the parts of its text, each with a fact of that kind."""
    own = unit.own
    whole = [each.span for each in designations(own, comparison.numbered)]
    days = [date.span for date in dates(own, months=True)]
    if isinstance(fact, Date):
        stated = dates(own, overlapping=True, months=True)
        places = [date.span for date in stated if fact.matches(date)]
        return places, part_spans(own, days, [*whole, *days])
    counted = numbers(own, every_reading=True)
    spans = [n.span for n in counted if not is_year(n.text)]
    spans = [s for s in spans if not any(s[0] < e and b < s[1] for b, e in (*whole, *days))]
    return [n.span for n in counted if fact.matches(n)], part_spans(own, spans, [*whole, *days])


def _names_something(found: Collection[str]) -> bool:
    """Whether the terms include more than numbers and units of measurement."""
    return any(t.isalpha() and t not in ANY_UNIT and not direction(t) for t in found)


def _differ(comparison: ClaimComparison, named: Marks, stated: Marks) -> bool:
    """Whether a word has other marks in a source than in the claim."""
    for word, marks in named.items():
        same = [stated[w] for w in (word, *comparison.equivalents_of(word)) if w in stated]
        if same and marks.isdisjoint(frozenset().union(*same)):
            return True
    return False
