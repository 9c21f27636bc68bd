"""Computes the similarity of two tables as trees (TEDS).

Source: Zhong, ShafieiBavani and Jimeno Yepes, "Image-based table recognition" (2020), with the tree
edit distance of Zhang and Shasha (1989). A table here has three levels (table, rows, cells), for
which that distance is a sequence alignment of rows, whose costs are alignments of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ...document.tables import Cell, parse_table

__all__ = ["table_similarity"]

Part = TypeVar("Part")


def table_similarity(right: str, written: str) -> float:
    """Return 1 minus the edit distance divided by the larger number of nodes, 0..1.

    Args:
        right: The right table, HTML or Markdown.
        written: The written one.
    """
    one, other = (parse_table(text).rows for text in (right, written))
    nodes = [1 + len(rows) + sum(map(len, rows)) for rows in (one, other)]
    distance = _aligned(one, other, _row_cost, lambda row: 1.0 + len(row))
    return max(0.0, 1 - distance / max(nodes))


def _row_cost(one: Sequence[Cell], other: Sequence[Cell]) -> float:
    return _aligned(one, other, _cell_cost, lambda cell: 1.0)


def _cell_cost(one: Cell, other: Cell) -> float:
    """Return 1 for cells that span differently; else how much their texts differ, 0..1."""
    from rapidfuzz.distance import Levenshtein

    if (one.rowspan, one.colspan) != (other.rowspan, other.colspan):
        return 1.0
    return float(Levenshtein.normalized_distance(one.text, other.text))


def _aligned(
    one: Sequence[Part],
    other: Sequence[Part],
    change: Callable[[Part, Part], float],
    whole: Callable[[Part], float],
) -> float:
    """Compute the cost of the cheapest way to change, remove and insert items of a sequence."""
    costs = [0.0]
    for part in other:
        costs.append(costs[-1] + whole(part))
    for mine in one:
        above, costs = costs, [costs[0] + whole(mine)]
        for number, theirs in enumerate(other, 1):
            costs.append(
                min(
                    above[number - 1] + change(mine, theirs),
                    above[number] + whole(mine),
                    costs[-1] + whole(theirs),
                )
            )
    return costs[-1]
