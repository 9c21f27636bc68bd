"""Finds which cells of the sources' tables a statement names: things, values, columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

from ....document.table_heads import cells_of_row
from ....text.plain_text import plain_text
from ....text.terms import content_terms
from ..lexicon import UNIT_WORDS
from ..row_labels import TOTAL, mark_of_row
from ..statements import FactualUnit
from ..table_columns import ColumnCell, cells_with_heads
from .designations import designations

__all__ = ["NamedCells", "NamedTable", "TableRow", "named_tables", "named_terms"]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    ``cells`` are the terms of each cell, empty for a figure; ``heads`` are the heads above each cell;
    ``above`` are the terms that are above this row, but not above all rows of the table.
    """

    unit: FactualUnit
    cells: tuple[frozenset[str], ...]
    heads: tuple[ColumnCell, ...]
    above: frozenset[str] = frozenset()

    def label(self, column: int) -> frozenset[str]:
        """The terms of its label, if the labels are in this column."""
        return self.cells[column] if column < len(self.cells) else frozenset()

    def text(self, column: int) -> str:
        """The text of a cell."""
        texts = cells_of_row(self.unit.citable.text)
        return plain_text(texts[column]).strip() if column < len(texts) else ""


@dataclass(frozen=True, slots=True)
class NamedCells:
    """The cells of a table that a part of a statement names, with the indices of their rows.

    ``label`` are the rows whose labels it names, ``section`` the rows below a section line that it
    names; both are None if it names none. ``values`` are the texts of other cells.
    """

    label: frozenset[int] | None = None
    section: frozenset[int] | None = None
    values: Mapping[frozenset[str], frozenset[int]] = field(default_factory=dict)
    terms: frozenset[str] = frozenset()  # of all these cells

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return self.label is None and self.section is None and not self.values


class NamedTable:
    """A table, or several with the same head.

    Args:
        units: Its rows.
        numbered: The words whose numbers are marks.
    """

    def __init__(self, units: Sequence[FactualUnit], numbered: Collection[str]) -> None:
        over = [named_terms(unit.citable.above, numbered) for unit in units]
        common = frozenset.intersection(*over)
        self.rows = tuple(
            _row(unit, terms - common, numbered) for unit, terms in zip(units, over, strict=True)
        )
        self.label = _label_column(self.rows)
        self._columns: dict[frozenset[str], frozenset[int]] = {}
        for row in self.rows:
            for column, cell in enumerate(row.cells):
                self._columns[cell] = self._columns.get(cell, frozenset()) | {column}
        self.texts = frozenset(filter(None, self._columns))
        self.labels = frozenset(row.text(self.label) for row in self.rows)
        self.sections = frozenset(row.above for row in self.rows if row.above)
        self.heads = frozenset().union(*(c.near for row in self.rows for c in row.heads[1:]))

    def named(self, said: frozenset[str], own: frozenset[str], small: frozenset[str]) -> NamedCells:
        """The longest cells all of whose terms a text has.

        Args:
            said: The terms of the text, with equivalents. A cell of a single word that is not a
                label must be among its ``own`` terms: "open" does not name a cell "Opened".
            own: The terms of the text.
            small: Function words, which name no section.
        """
        texts: dict[frozenset[str], set[int]] = {}
        labels: dict[frozenset[str], set[int]] = {}
        for index, row in enumerate(self.rows):
            for column, cell in enumerate(row.cells):
                is_label = column == self.label
                named = cell <= (said if is_label or len(cell) > 1 else own)
                if cell and named and not cell <= TOTAL:
                    (labels if is_label else texts).setdefault(cell, set()).add(index)
        longest = {c for c in (*texts, *labels) if not any(c < o for o in (*texts, *labels))}
        told = frozenset().union(*self.sections) & said - small
        return NamedCells(
            _rows_of(labels, longest),
            frozenset(i for i, row in enumerate(self.rows) if row.above & told) if told else None,
            {text: frozenset(at) for text, at in texts.items() if text in longest},
            frozenset().union(*longest),
        )

    @property
    def kinds(self) -> list[frozenset[frozenset[str]]]:
        """Groups of things of one kind: the texts of a column, or heads that share a word."""
        columns = frozenset().union(*self._columns.values())
        found = [
            frozenset(text for text, places in self._columns.items() if text and column in places)
            for column in sorted(columns)
        ]
        names = {cell.heads for row in self.rows[:1] for cell in row.heads if cell.heads}
        shared = {term for one, other in combinations(names, 2) for term in one & other}
        found += [frozenset(name for name in names if term in name) for term in sorted(shared)]
        return [texts for texts in found if len(texts) > 1]

    def columns(self, value: frozenset[str]) -> frozenset[int]:
        """The columns in which a row has this text."""
        return self._columns[value]


def named_tables(units: Iterable[FactualUnit], numbered: Collection[str]) -> list[NamedTable]:
    """The tables of the units; tables with the same head count as one."""
    groups: dict[object, list[FactualUnit]] = {}
    for unit in units:
        if unit.citable.is_row:
            groups.setdefault(unit.citable.heads or unit.citable.table, []).append(unit)
    return [NamedTable(rows, numbered) for rows in groups.values()]


def named_terms(text: str, numbered: Collection[str]) -> frozenset[str]:
    """The terms of a text without its figures, but with its designations: "ward 2"."""
    return _named_terms(text, frozenset(numbered))


@lru_cache(maxsize=2**13)
def _named_terms(text: str, numbered: frozenset[str]) -> frozenset[str]:
    plain = plain_text(text)
    found = {term for term in content_terms(plain) if any(map(str.isalpha, term))}
    return frozenset(found).union(*(each.terms for each in designations(plain, numbered)))


def _label_column(rows: Sequence[TableRow]) -> int:
    """The first column in which at least half of the cells are texts, because ranks are not labels."""
    width = max(len(row.cells) for row in rows)
    filled = (sum(bool(row.label(column)) for row in rows) for column in range(width))
    return next((column for column, count in enumerate(filled) if 2 * count >= len(rows)), 0)


def _rows_of(
    found: Mapping[frozenset[str], Collection[int]], longest: Collection[frozenset[str]]
) -> frozenset[int] | None:
    rows = [at for text, at in found.items() if text in longest]
    return frozenset().union(*rows) if rows else None


def _row(unit: FactualUnit, above: frozenset[str], numbered: Collection[str]) -> TableRow:
    texts = cells_of_row(unit.citable.text)
    cells = [_cell_terms(text, numbered) for text in texts]
    if cells and (mark := mark_of_row(unit.citable)):
        cells[0] = mark.terms
    heads = cells_with_heads(unit.citable.text, unit.citable.heads)
    return TableRow(unit, tuple(cells), heads, above)


def _cell_terms(text: str, numbered: Collection[str]) -> frozenset[str]:
    """The terms of a cell; none for a figure with its unit."""
    found = named_terms(text, numbered)
    return frozenset() if found <= UNIT_WORDS.keys() else found
