"""Checks whether names and other texts of a statement are where its sources have them.

A figure belongs to the row and column that its part of the statement names (:mod:`.elsewhere`); so
does a name or any other text. "The night shift of Ward 11 was led by Amira Osei" is wrong if no row
has both cells; "Ward 2 was repainted" is wrong if the sentence with these words is about Ward 12.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ....text.languages import function_words
from ....text.numerals import is_year
from ..comparison import ClaimComparison
from ..statements import Statement, has_figure
from .claim_parts import breaks_of
from .coordination import mixed_parts, other_subject
from .designations import numbered_words
from .name_clauses import kinds_of_names, name_in_other_clause
from .other_things import words_of_others
from .table_cells import NamedCells, NamedTable, TableRow, named_tables, named_terms

__all__ = ["Placement", "placement"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the texts of a claim are in its sources.

    ``misplaced`` are words that the sources use for something else than the claim does. ``placed``
    are the terms of cells that are in the row and below the head that the claim says.
    """

    misplaced: tuple[str, ...] = ()
    placed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _ClaimPart:
    statement: Statement
    own: frozenset[str]  # its terms
    small: frozenset[str]  # the function words among these
    said: frozenset[str]  # its terms, with equivalents that the sources have


def placement(comparison: ClaimComparison, naming: frozenset[str]) -> Placement:
    """Find the words of a claim that are in the right place, and those that are not.

    Args:
        comparison: The comparison of the claim with its sources.
        naming: Words that only name a calculation.
    """
    units = [unit for _, unit in comparison.units]
    above = {unit.citable.above for unit in units if unit.citable.is_row}
    # "Class 4" and "Class 5" may occur only as headings of tables.
    numbered = frozenset(comparison.numbered | numbered_words((), above))
    tables = named_tables(units, numbered)
    question, *parts = _parts(comparison, tables, numbered)
    sentences = [named_terms(unit.own, numbered) for unit in units if not unit.is_row]
    placed: set[str] = set()
    for table in tables:
        before = _Named.of(question, table)
        for part in parts:
            named = _Named.of(part, table).following(before, table)
            if words := _misplaced(table, named, sentences):
                return Placement(words)
            if named.is_tied or named.has_figure_in(table):
                placed |= named.cells.terms
            before = named
    kinds = [kind for table in tables for kind in table.kinds]
    kinds += kinds_of_names(unit.own for unit in units if not unit.is_row)
    for part in parts:
        said = (part.said, question.said)
        if words := words_of_others(
            comparison, kinds, part.statement, said, numbered=numbered, naming=naming
        ):
            return Placement(words)
    for find in (name_in_other_clause, mixed_parts, other_subject):
        if words := find(comparison):
            return Placement(words)
    return Placement(placed=frozenset(placed))


def _parts(
    comparison: ClaimComparison, tables: Sequence[NamedTable], numbered: frozenset[str]
) -> Iterator[_ClaimPart]:
    """The question, and the parts of the claim that each name a row or a column."""
    question, plain = comparison.question, comparison.claim.facts.plain
    keys = [key for table in tables for key in (*table.texts, *table.sections)]
    heads = {term for table in tables for term in table.heads}

    small = function_words(plain)
    whole = [span for table in tables for label in table.labels for span in _places(label, plain)]

    def part(text: str) -> _ClaimPart:
        found = named_terms(text, numbered)
        said = found.union(*(comparison.equivalents_of(term) for term in found))
        return _ClaimPart(Statement.of(text), found, found & small, said)

    def names(text: str) -> bool:
        said = part(text).said
        return any(key <= said for key in keys) or not said.isdisjoint(heads)

    yield part(question.text)
    begin = 0
    for match in breaks_of(plain):
        cut = match.start()
        if any(start < cut < end for start, end in whole):
            continue
        if names(plain[begin:cut]) and names(plain[cut:]):
            yield part(plain[begin:cut])
            begin = cut
    yield part(plain[begin:])


def _places(label: str, plain: str) -> Iterator[tuple[int, int]]:
    """The spans of a row's whole label in a statement: "shares outstanding, assuming dilution"."""
    at = plain.casefold().find(label.casefold())
    if at >= 0:
        yield at, at + len(label)


@dataclass(frozen=True, slots=True)
class _Named:
    """What a part names in a table, by itself or together with the parts before it."""

    statement: Statement
    cells: NamedCells
    heads: frozenset[str]  # its words that name columns
    earlier: frozenset[str] = frozenset()  # such words of earlier parts, which it omits
    is_silent: bool = False  # whether it names no cell and is about something else

    @classmethod
    def of(cls, part: _ClaimPart, table: NamedTable) -> _Named:
        cells = table.named(part.said, part.own, part.small)
        return cls(part.statement, cells, (part.said & table.heads) - cells.terms)

    @property
    def is_tied(self) -> bool:
        """Whether it names enough cells to tell which row is meant."""
        cells = self.cells
        told = (cells.label is not None, cells.section is not None, *cells.values)
        return not self.is_silent and sum(map(bool, told)) > 1

    def has_figure_in(self, table: NamedTable) -> bool:
        """Whether a row that the part names has one of the part's figures."""
        figures = [n for n in self.statement.facts.numbers if not is_year(n.text)]
        rows = (table.rows[index] for index in self.cells.label or ())
        return any(has_figure(row.unit, figure) for row in rows for figure in figures)

    def following(self, before: _Named, table: NamedTable) -> _Named:
        """Add what only the part before names: "the day shift of Ward 2 and the night shift"."""
        own, other = self.cells, before.cells
        known = own.terms | table.heads
        # "and the night shift of Ward 12" consists only of words of cells and heads.
        elliptic = all(word in known for word in self.statement.words)
        taken = frozenset().union(*map(table.columns, own.values))
        further = {v: at for v, at in other.values.items() if taken.isdisjoint(table.columns(v))}
        cells = NamedCells(
            other.label if own.label is None else own.label,
            other.section if own.section is None else own.section,
            {**own.values, **(further if elliptic else {})},
            own.terms | other.terms,
        )
        earlier = before.heads or before.earlier if elliptic else frozenset()
        silent = own.is_empty and not elliptic
        return replace(self, cells=cells, earlier=earlier, is_silent=silent)


def _misplaced(
    table: NamedTable, named: _Named, sentences: Iterable[frozenset[str]]
) -> tuple[str, ...]:
    """A text or a figure of a part that is in another row or column than the part names.

    Nothing is misplaced if a sentence of the sources has all cells that the part names: then the
    sentence says it, whatever the table has.
    """
    cells = named.cells
    if named.is_silent or any(cells.terms <= sentence for sentence in sentences):
        return ()
    told = [rows for rows in (cells.label, cells.section) if rows is not None]
    rows = frozenset(range(len(table.rows))).intersection(*told)
    if not rows:
        # "Diluted earnings per share" and "shares used": which row is meant is unclear.
        return ()
    for value, having in cells.values.items():
        others = (v for v in cells.values if table.columns(value).isdisjoint(table.columns(v)))
        places = [
            (table.rows[index], column)
            for index in _having(rows & having, others, table, cells)
            for column, cell in enumerate(table.rows[index].cells)
            if column != table.label and cell == value
        ]
        if all(_is_below_other_head(named, table.label, *place) for place in places):
            return tuple(sorted(value))
    if not (named.is_tied or cells.values):
        return ()
    rows = _having(rows, cells.values, table, cells)
    for number in named.statement.facts.numbers:
        stating = {i for i, row in enumerate(table.rows) if has_figure(row.unit, number)}
        if stating and not is_year(number.text) and stating.isdisjoint(rows):
            return (number.text,)
    return ()


def _having(
    rows: frozenset[int], values: Iterable[frozenset[str]], table: NamedTable, cells: NamedCells
) -> frozenset[int]:
    """The rows that have each value, or another named value of the same column."""
    for value in values:
        same = (v for v in cells.values if not table.columns(value).isdisjoint(table.columns(v)))
        rows &= frozenset().union(*(cells.values[v] for v in same))
    return rows


def _is_below_other_head(named: _Named, label: int, row: TableRow, column: int) -> bool:
    """Whether a part names the column of another text of the row, but not that text."""
    heads = row.heads
    if column >= len(heads) or not heads[column].has_head:
        return False
    texts = [other for other, cell in enumerate(row.cells[: len(heads)]) if other != label and cell]
    rivals = [
        heads[other]
        for other in texts
        if other != column and not row.cells[other] <= named.cells.terms
    ]
    own = heads[column].near
    apart = own - frozenset().union(*(rival.near for rival in rivals))
    common = frozenset.intersection(*(heads[other].near for other in texts))
    # "Lena Fuchs led it" does not say which shift; the question does.
    told = [named.heads] if named.heads - common else [named.heads, named.earlier]
    for said in told:
        if apart & said:
            return False
        if any((rival.heads - own) & said for rival in rivals):
            return True
    return False
