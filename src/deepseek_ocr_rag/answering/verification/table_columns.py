"""Columns of table rows: which heads name the cell that has a figure, and which name another."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Final

from ...document.table_heads import cells_of_row
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms
from .column_heads import heads_of_columns
from .facts import Facts, stated_facts
from .lexicon import UNIT_WORDS

__all__ = [
    "ColumnCell",
    "cells_with_heads",
    "head_terms",
    "is_under_other_head",
    "label_terms",
    "units_in",
]

_AMOUNT: Final = re.compile(
    r"[($€£¥ -]*[0-9]{1,3}(?:,[0-9]{3})*(?:[).% ]+|[$€£¥].*)?|[($€£¥ -]+[0-9].*|[0-9.,]+ ?%"
)
_COUNT: Final = re.compile(r"\([^()]{0,20}[0-9][^()]{0,20}\)")

_SIGN: Final = re.compile(r"^(?:less|plus|add):?\s+(?!than\b)(?=[^\W\d_])", re.IGNORECASE)
"""Stands before a line item that is subtracted or added: "Less valuation allowances"."""

_REMARK: Final = re.compile(r"\([^()]{1,60}\)")

_NOTE: Final = re.compile(
    r"\((?=[^()]{0,60}\b(?:in|except)\b)[^()]{0,60}\b(?:thousands|millions|billions|shares?)\b[^()]{0,60}\)",
    re.IGNORECASE,
)
"""A scale, "(in millions, except per share data)", which stands in some head but names no column."""


@dataclass(frozen=True, slots=True)
class ColumnCell:
    """A cell of a table row.

    ``heads`` are the words above it; ``near`` also those of a group of columns that may include it:
    a name that spans columns stands above one of them. A head such as "%" has no words.
    """

    facts: Facts
    has_head: bool
    heads: frozenset[str]
    near: frozenset[str]


@lru_cache(maxsize=2**10)
def cells_with_heads(row: str, heads: tuple[str, ...]) -> tuple[ColumnCell, ...]:
    """The cells of a row behind its first, with what the head of its table says above each.

    Args:
        row: In the markup of its page.
        heads: The rows of the table's head.
    """
    above = [names for names in map(cells_of_row, heads) if any(map(str.strip, names[1:]))]
    found: list[ColumnCell] = []
    named = heads_of_columns(row, heads)
    for column, cell in enumerate(cells_of_row(row)):
        own = named[column]
        groups = [part for names in above[:-1] for part in _beside(names, column)]
        words = head_terms(own)
        near = words | head_terms(groups)
        found.append(ColumnCell(stated_facts(cell), any(map(str.strip, own)), words, near))
    return tuple(found)


@lru_cache(maxsize=2**11)
def label_terms(row: str, *, remarks: bool = True) -> frozenset[str]:
    """The terms of the first cell that says what a row is, without notes: "(2)", "(n=612)".

    No cell does in a row that begins with an amount; a number of one or two digits counts the rows.

    Args:
        row: In the markup of its page.
        remarks: Whether to include words in parentheses: "provided by (used in)".
    """
    for cell in cells_of_row(row):
        label = _SIGN.sub("", _COUNT.sub(" ", plain_text(cell)).strip())
        if not remarks and any(map(str.isalpha, bare := _REMARK.sub(" ", label).strip())):
            label = bare
        found = frozenset(content_terms(label))
        if _AMOUNT.fullmatch(label):
            return frozenset()
        if found and not (label.isdigit() and len(label) < 3):
            return found
    return frozenset()


def units_in(row: str) -> frozenset[str]:
    """The units of measurement that stand in cells of their own behind a row's first."""
    cells = (terms(plain_text(cell)) for cell in cells_of_row(row)[1:])
    return frozenset(cell[0] for cell in cells if len(cell) == 1 and cell[0] in UNIT_WORDS)


def head_terms(names: Sequence[str]) -> frozenset[str]:
    """The terms of names of columns, without notes on their scale."""
    return frozenset(content_terms(plain_text(_NOTE.sub(" ", " ; ".join(names)))))


def is_under_other_head(
    cells: Sequence[ColumnCell],
    states: Callable[[Facts], bool],
    is_claimed: Callable[[Facts], bool],
    named: Callable[[Collection[str]], Collection[str]],
    named_apart: Callable[[Collection[str]], Collection[str]],
) -> bool:
    """Whether the cells with a figure stand below other heads than the statement names.

    Each has a head, of which the statement has no word that tells it apart, and it has such a word
    of the head of another figure, which it does not state.

    Args:
        cells: Those of a row.
        states: Whether some facts have the figure.
        is_claimed: Whether the statement has all of some facts.
        named: Which of some words name the figure's own column.
        named_apart: Which of some words name another column.
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
    """The nearest names on either side of a column without one."""
    if column >= len(names) or names[column].strip():
        return ()
    sides = (names[column::-1], names[column:])
    return tuple(name for side in sides for name in list(_first(side)))


def _first(names: Sequence[str]) -> Sequence[str]:
    empty = len(list(takewhile(lambda name: not name.strip(), names)))
    return names[empty : empty + 1]
