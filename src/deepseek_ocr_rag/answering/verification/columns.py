"""Columns of table rows: which heads name the cell that has a figure, and which name another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from ...document.table_heads import cells_of_row
from ...text.plain_text import plain_text
from ...text.terms import content_terms
from .facts import Facts, stated_facts

__all__ = ["ColumnCell", "cells_with_heads", "is_under_other_head"]


@dataclass(frozen=True, slots=True)
class ColumnCell:
    """A cell of a table row.

    ``heads`` are the words above it; ``near`` also those of a group of columns that may include it:
    a name that spans columns stands above one of them.
    """

    facts: Facts
    heads: frozenset[str]
    near: frozenset[str]


@lru_cache(maxsize=2**10)
def cells_with_heads(row: str, heads: tuple[str, ...]) -> tuple[ColumnCell, ...]:
    """The cells of a row behind its first, with what the head of its table says above each.

    Args:
        row: In the markup of its page.
        heads: The rows of the table's head.
    """
    above = [cells_of_row(head) for head in heads]
    found: list[ColumnCell] = []
    for column, cell in enumerate(cells_of_row(row)):
        own = [names[column] for names in above if column < len(names)]
        groups = [part for names in above[:-1] for part in _beside(names, column)]
        words = frozenset(content_terms(plain_text(" ; ".join(own))))
        near = frozenset(content_terms(plain_text(" ; ".join(groups))))
        found.append(ColumnCell(stated_facts(cell), words, words | near))
    return tuple(found)


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
    others = [c for c in cells if c not in own and c.facts.numbers and not is_claimed(c.facts)]
    for cell in own:
        if not cell.heads:
            return False
        rivals = [other for other in others if other.heads]
        apart = cell.near.difference(*(other.near for other in rivals)) if rivals else cell.near
        if named(apart) or not any(named_apart(other.heads - cell.near) for other in rivals):
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
