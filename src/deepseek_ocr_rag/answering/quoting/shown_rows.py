"""Shows rows of a table, in whatever markup a page has them, as a Markdown table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from ...document.tables import Cell, Table, parse_table

__all__ = ["shown_rows"]

_PIPE: Final = re.compile(r"(?<!\\)\|")


def shown_rows(rows: Sequence[str], shown: Callable[[str], str]) -> str:
    """A Markdown table, whose first row is its head.

    Args:
        rows: As the page's Markdown has them: ``| a | b |`` or HTML.
        shown: What to make of the text of a cell.
    """
    if rows[0].startswith("|"):
        cells = [_PIPE.split(row.strip().removeprefix("|").removesuffix("|")) for row in rows]
        grid = [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]
    else:
        grid = [list(row) for row in parse_table(f"<table>{''.join(rows)}</table>").to_rows()]
    return Table(tuple(tuple(Cell(shown(cell)) for cell in row) for row in grid)).to_markdown()
