"""Finds the sentences and table rows of passages that fit a question best, by words and stems.

A word counts more the fewer sentences have it (inverse document frequency over the
sentences at hand), and less in a long sentence. The words of the heading, or of the
head of its table, count as words of the sentence, but a sentence that has the words itself comes
first. Rows of one table that fit equally well are one quote.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from ...retrieval.query import parse_query
from ...retrieval.query_lexicon import ASKS_FOR_MORE, CLOSING, SUPERLATIVE
from ...retrieval.retriever import Passage
from ...text.languages import question_terms
from ...text.terms import terms, with_stems
from ..verification.citable_units import (
    CitableUnit,
    citable_units,
    introduction_above,
    years_above,
)
from ..verification.citation import Citation, citations
from ..verification.lexicon import MEASURE_WORDS

__all__ = ["Quote", "Quoter"]

_LENGTH_PRIOR: Final = 10
"""Terms added to each sentence's length, so that a fragment of two words does not
rank above a whole sentence."""

AS_GOOD: Final = 0.8
"""From this share of the best row's score on, a row of the same table is shown with it."""

MOST_ROWS: Final = 12
"""Rows of one quote."""

COLONS: Final = (":", "\N{FULLWIDTH COLON}")
MOST_ITEMS: Final = 12
"""Most items of a list that is quoted with the line above it."""

_LAST_NUMBER: Final = re.compile(r"[0-9]{1,4}(?=[^0-9]*$)")
LONGEST_FOOT: Final = 60
"""Most characters of a line at the foot of each page, such as "Form 10-Q | 21"."""

SIGNATURE_LINES: Final = 2
LONGEST_SIGNATURE: Final = 80
"""Most lines below the closing of a letter that can be its signature, and most characters of one."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence, or rows of one table."""

    units: tuple[CitableUnit, ...]  # in the order of the passage
    citations: tuple[Citation, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows, if it is a part of a table."""
        is_table = all(unit.is_row for unit in self.units)
        return tuple(unit.text for unit in self.units) if is_table else ()

    @property
    def heads(self) -> tuple[str, ...]:
        """The rows of the table's head, if it is known."""
        return self.units[0].heads


class Quoter:
    """Quotes passages; citations refer to them by index."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        years = years_above(self._passages)
        units = [
            citable_units(passage, index, years[index], introduction_above(passage, self._passages))
            for index, passage in enumerate(self._passages)
        ]
        self._units = _without_feet(self._passages, units)
        self._terms = {unit: _terms(unit) for group in self._units for unit in group}
        self._count = Counter(term for found in self._terms.values() for term in found)
        self._total = len(self._terms)

    def best(self, text: str, limit: int) -> tuple[Quote, ...]:
        """Quote the sentences that fit a question best, best first.

        At most ``limit``, and none that scores less than half of the best one.
        """
        asked = parse_query(text).asked
        wanted = set(with_stems(question_terms(asked)))
        scored = [
            # On a tie, the earlier passage fits better as a whole.
            (self._score(unit, wanted) / (1 + 0.1 * rank), unit)
            for rank, group in enumerate(self._units)
            for unit in group
        ]
        if ASKS_FOR_MORE.search(asked):
            known = frozenset(terms(asked))
            scored = [item for item in scored if not _only_repeats(item[1], known)] or scored
        scored.sort(key=lambda item: -item[0])
        if not scored or scored[0][0] <= 0:
            return tuple(self._quote([group[0]]) for group in self._units[:1] if group)
        enough = scored[0][0] / 2
        groups: dict[tuple[object, ...], tuple[float, list[CitableUnit]]] = {}
        for score, unit in scored:
            table = (unit.passage, unit.table) if unit.is_row else (unit.text,)
            if table in groups:
                best, rows = groups[table]
                if unit.is_row and score >= AS_GOOD * best and len(rows) < MOST_ROWS:
                    rows.append(unit)
            elif score >= enough and len(groups) < limit:
                groups[table] = (score, [unit])
        quotes = self._with_lists([rows for _, rows in groups.values()])
        quotes = [each for rows in quotes for each in self._with_introduced(rows, quotes, scored)]
        quotes = quotes[:limit]
        quotes.sort(key=lambda rows: not (rows[0].is_row or self._has_own(rows[0], wanted)))
        if SUPERLATIVE.search(text) and not any(rows[0].is_row for rows in quotes):
            quotes[limit - 1 :] = self._table(scored)
        return tuple(map(self._quote, quotes))

    def _with_lists(self, quotes: Sequence[list[CitableUnit]]) -> list[list[CitableUnit]]:
        """The quotes; a line that introduces a list has the list with it, if it is not long.

        Two of three conditions would be as wrong as none.
        """
        lists = {rows[0]: self._list_below(rows[0]) for rows in quotes if not rows[0].is_row}
        shown = {item for items in lists.values() for item in items}
        return [[*rows, *lists.get(rows[0], ())] for rows in quotes if rows[0] not in shown]

    def _list_below(self, line: CitableUnit) -> list[CitableUnit]:
        """The items in the passage of the list that a line introduces; none if there are many."""
        if not line.text.rstrip().endswith(COLONS):
            return []
        below = self._units[line.passage]
        below = below[below.index(line) + 1 :]
        items = list(takewhile(lambda unit: not unit.is_row and line.text in unit.above, below))
        return items if len(items) <= MOST_ITEMS else []

    def _with_introduced(
        self,
        quote: list[CitableUnit],
        quotes: Sequence[Sequence[CitableUnit]],
        scored: Sequence[tuple[float, CitableUnit]],
    ) -> Iterator[list[CitableUnit]]:
        """A quote; if it is a line that only introduces a table, also the best rows of this table."""
        yield quote
        line = quote[0]
        if line.is_row or not line.text.rstrip().endswith(COLONS):
            return
        below = [(score, unit) for score, unit in scored if unit.is_row and line.text in unit.above]
        if not below or any(rows[0].table == below[0][1].table for rows in quotes):
            return
        best, first = below[0]
        rows = [u for score, u in below if u.table == first.table and score >= AS_GOOD * best]
        yield rows[:MOST_ROWS]

    def _has_own(self, unit: CitableUnit, wanted: set[str]) -> bool:
        """Whether the sentence itself has a word of the question, not only its heading."""
        return not wanted.isdisjoint(with_stems(sorted(unit.terms)))

    def _table(self, scored: Sequence[tuple[float, CitableUnit]]) -> list[list[CitableUnit]]:
        """The rows of the best table, or of one in the best passages; none if there is no table."""
        rows = [unit for score, unit in scored if unit.is_row and (score > 0 or unit.passage < 2)]
        if not rows:
            return []
        same = [u for u in rows if (u.passage, u.table) == (rows[0].passage, rows[0].table)]
        return [sorted(same, key=lambda unit: unit.index)[:MOST_ROWS]]

    def signatures(self, limit: int) -> tuple[Quote, ...]:
        """Quote the closings of letters with the names below them, best passage first."""
        found = [
            self._quote(list(self._signature(group, at)))
            for group in self._units
            for at, unit in enumerate(group)
            if len(unit.text) <= LONGEST_SIGNATURE and CLOSING.match(unit.text)
        ]
        return tuple(found[:limit])

    def _signature(self, group: Sequence[CitableUnit], at: int) -> Iterator[CitableUnit]:
        yield group[at]
        for before, unit in zip(group[at:], group[at + 1 : at + 1 + SIGNATURE_LINES], strict=False):
            if unit.index != before.index + 1 or len(unit.text) > LONGEST_SIGNATURE:
                return
            yield unit

    def says(self, text: str) -> bool:
        """Whether a sentence has a content word of the question in exactly the same form."""
        wanted = set(question_terms(parse_query(text).asked))
        return any(
            wanted & (unit.terms | unit.terms_above) for group in self._units for unit in group
        )

    def _quote(self, units: list[CitableUnit]) -> Quote:
        units.sort(key=lambda unit: unit.index)
        return Quote(tuple(units), citations(self._passages, units))

    def _score(self, unit: CitableUnit, wanted: set[str]) -> float:
        found = self._terms[unit]
        shared = wanted & found
        for term in wanted - found:
            # "How tall is it?" asks for the figure below "Height".
            shared |= set(sorted(MEASURE_WORDS.get(term, frozenset()) & found)[:1])
        score = sum(math.log(1 + self._total / self._count[term]) for term in shared)
        return score / math.sqrt(len(found) + _LENGTH_PRIOR)


def _without_feet(
    passages: Sequence[Passage], units: Sequence[Sequence[CitableUnit]]
) -> list[list[CitableUnit]]:
    """Leave out lines that pages share except for a page number: feet that were read as text."""
    pages: dict[tuple[str, str, int], set[int]] = {}
    keys: dict[CitableUnit, tuple[str, str, int]] = {}
    for passage, group in zip(passages, units, strict=True):
        for unit in group:
            number = _LAST_NUMBER.search(unit.text) if len(unit.text) <= LONGEST_FOOT else None
            page = next((p.page for p in passage.pieces if p.offset <= unit.span[0] < p.end), 0)
            if number and not unit.is_row:
                line = unit.text[: number.start()] + unit.text[number.end() :]
                keys[unit] = passage.source, line, int(number[0]) - page
                pages.setdefault(keys[unit], set()).add(page)
    return [[u for u in group if u not in keys or len(pages[keys[u]]) < 2] for group in units]


def _only_repeats(unit: CitableUnit, asked: frozenset[str]) -> bool:
    """Whether a line only has words of the question, such as the name of a survey."""
    return not unit.is_row and unit.terms <= asked


def _terms(unit: CitableUnit) -> frozenset[str]:
    return frozenset(with_stems(sorted(unit.terms | unit.terms_above)))
