"""Finds which heads of a table name the cell that has a figure, and which name another cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, takewhile
from typing import Final

from ...document.table_heads import cells_of_row
from ...document.tables import Table, parse_table
from ...text.dates import Date, dates
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms
from .facts import Facts, stated_facts
from .lexicon import UNIT_WORDS
from .parts.designations import head_marks

__all__ = [
    "ColumnCell",
    "cells_with_heads",
    "date_terms",
    "head_terms",
    "heads_of_columns",
    "is_under_other_head",
    "units_in",
]

_NOTE: Final = re.compile(
    r"\((?=[^()]{0,60}\b(?:in|except)\b)[^()]{0,60}\b(?:thousands|millions|billions|shares?)\b[^()]{0,60}\)",
    re.IGNORECASE,
)
"""A scale, "(in millions, except per share data)", which is in a head but names no column."""


_YEAR: Final = re.compile(r"(?<![0-9.,])(?:FY\s?)?(?:19|20)[0-9]{2}(?![0-9])")


@dataclass(frozen=True, slots=True)
class ColumnCell:
    """A cell of a table row.

    ``heads`` are the words above it. ``near`` adds the name of a group of columns that may include
    it, because a name that spans columns may be above just one of them. A head such as "%" has no
    words.
    """

    facts: Facts
    has_head: bool
    heads: frozenset[str]
    near: frozenset[str]


@lru_cache(maxsize=2**10)
def cells_with_heads(row: str, heads: tuple[str, ...]) -> tuple[ColumnCell, ...]:
    """The cells of a row, each with what the head of its table says above it.

    Args:
        row: In the markup of its page.
        heads: The rows of the table's head.
    """
    above = [head for head in heads if any(map(str.strip, cells_of_row(head)[1:]))]
    groupings = [(cells_of_row(head), heads_of_columns(row, (head,))) for head in above[:-1]]
    found: list[ColumnCell] = []
    named = heads_of_columns(row, heads)
    for column, cell in enumerate(cells_of_row(row)):
        own = named[column]
        # A head cell that spans the column is known to be above it; labels belong to no group.
        open_ones = [names for names, spanned in groupings if column and not spanned[column]]
        groups = [part for names in open_ones for part in _beside(names, column)]
        words = head_terms(own)
        near = words | head_terms(groups)
        found.append(ColumnCell(stated_facts(cell), any(map(str.strip, own)), words, near))
    return tuple(found)


def units_in(row: str) -> frozenset[str]:
    """The units of measurement that fill a cell of a row, the first cell excepted."""
    cells = (terms(plain_text(cell)) for cell in cells_of_row(row)[1:])
    return frozenset(cell[0] for cell in cells if len(cell) == 1 and cell[0] in UNIT_WORDS)


def head_terms(names: Sequence[str]) -> frozenset[str]:
    """The terms of column names, without notes on their scale."""
    found = frozenset(content_terms(plain_text(_NOTE.sub(" ", " ; ".join(names)))))
    return found.union(*map(head_marks, names), *(date_terms(dates(name)) for name in names))


def date_terms(found: Iterable[Date]) -> frozenset[str]:
    """A term for the month and the day of each date: "2 May" names another column than "3 May"."""
    days = (day for date in found for day in date.days)
    return frozenset(f"@{month}-{number}" for _, month, number in days if number is not None)


def is_under_other_head(
    cells: Sequence[ColumnCell],
    states: Callable[[Facts], bool],
    is_claimed: Callable[[Facts], bool],
    named: Callable[[Collection[str]], Collection[str]],
    named_apart: Callable[[Collection[str]], Collection[str]],
) -> bool:
    """Whether the cells with a figure are below other heads than the statement names.

    Each such cell has a head, but the statement has none of the words that tell this head apart.
    Instead it has such a word of the head of another figure, which it does not state.

    Args:
        cells: The cells of a row.
        states: Whether the given facts have the figure.
        is_claimed: Whether the statement has all of the given facts.
        named: Which of the given words name the figure's own column.
        named_apart: Which of the given words name another column.
    """
    own = [cell for cell in cells if states(cell.facts)]
    others = [cell for cell in cells if cell not in own and cell.facts.numbers and cell.heads]
    rivals = [other for other in others if not is_claimed(other.facts)]
    known = frozenset().union(*(other.near for other in others if other not in rivals))
    for cell in own:
        if not cell.has_head:
            return False
        apart = cell.near.difference(*(other.near for other in rivals))
        if named(apart) or not any(
            named_apart(other.heads - cell.near - known) for other in rivals
        ):
            return False
    return bool(own)


def _beside(names: Sequence[str], column: int) -> tuple[str, ...]:
    """The nearest names on either side of a column that has none."""
    if column >= len(names) or names[column].strip():
        return ()
    sides = (names[column::-1], names[column:])
    return tuple(name for side in sides for name in list(_first(side)))


def _first(names: Sequence[str]) -> Sequence[str]:
    empty = len(list(takewhile(lambda name: not name.strip(), names)))
    return names[empty : empty + 1]


@lru_cache(maxsize=2**11)
def heads_of_columns(row: str, heads: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The texts above each column of a row, from top to bottom.

    A cell that spans columns is above each of them. If it spans all columns after the label, it
    tells none apart and is left out. If it has as many years as the row has filled cells below it,
    each year names one of these cells: "January 28, 2023 January 29, 2022" above two figures.

    Args:
        row: In the markup of its page, as the rows of the head.
        heads: The rows of the table's head.
    """
    cells = cells_of_row(row)
    filled = [column for column, cell in enumerate(cells) if cell.strip()]
    found: list[list[str]] = [[] for _ in cells]
    for names in _spans(heads):
        for text, start, end in names:
            below = [column for column in filled if start <= column < end]
            parts = _parts(text)
            if end - start == 1:
                named = [(start, text)]
            elif len(parts) == len(below) > 1:
                named = list(zip(below, parts, strict=True))
            elif len(parts) > 1:
                # It is unclear which year belongs to which cell.
                named = [(start, text)]
            elif start <= 1 and end >= len(cells):
                named = []
            else:
                named = [(column, text) for column in range(start, end)]
            for column, name in named:
                if column < len(cells) and name.strip():
                    found[column].append(name)
    return tuple(map(tuple, found))


def _spans(heads: Sequence[str]) -> Iterator[list[tuple[str, int, int]]]:
    """For each row of a head, its texts, each with its first column and the column after its last."""
    if not any(head.startswith("<") for head in heads):
        for head in heads:
            yield [(text, column, column + 1) for column, text in enumerate(cells_of_row(head))]
        return
    rows = parse_table("".join(heads)).rows
    texts = [cell.text for row in rows for cell in row]
    numbers = iter(range(len(texts)))
    # Cells are told apart by numbers, because neighbours may have the same text.
    numbered = (tuple(replace(cell, text=str(next(numbers))) for cell in row) for row in rows)
    seen: set[str] = set()
    for names in Table(tuple(numbered)).to_rows():
        spans, column = [], 0
        for number, group in groupby(names):
            start, column = column, column + len(list(group))
            # A cell that spans rows counts in the first of them.
            if number and number not in seen:
                spans.append((texts[int(number)], start, column))
        seen.update(names)
        yield spans


def _parts(text: str) -> list[str]:
    """Cut a text after each of its years."""
    ends = [match.end() for match in _YEAR.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
