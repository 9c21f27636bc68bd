"""Shows rows of a table, in whatever markup a page has them, as a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...document.table_heads import cells_of_row
from ...document.tables import Cell, Table

__all__ = ["shown_rows"]


def shown_rows(heads: Sequence[str], rows: Sequence[str], shown: Callable[[str], str]) -> str:
    """A Markdown table, whose head may have no names.

    Args:
        heads: The rows of its head, as the page's Markdown has them: ``| a | b |`` or HTML.
        rows: Those below it.
        shown: Turns the text of a cell into the text to show.
    """
    grid = [[cell.strip().replace("\\|", "|") for cell in cells_of_row(row)] for row in rows]
    names: list[str] = []
    for row in heads:
        for column, cell in enumerate(cells_of_row(row)):
            names += [""] * (column + 1 - len(names))
            names[column] = f"{names[column]} {cell.strip()}".strip()
    named = [name.replace("\\|", "|") for name in names]
    return Table(
        tuple(tuple(Cell(shown(cell)) for cell in row) for row in (named, *grid))
    ).to_markdown()
