"""Finds the cells of a table that are beside, above and below a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ...document.tables import MAX_GRID_CELLS, Cell, parse_table
from .marked_text import between

__all__ = ["CellGrid", "Side", "tables_in"]

Side = Literal["up", "down", "left", "right"]
STEPS: Final = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}

_PIPE: Final = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class CellGrid:
    """A table's cells and the grid positions that they cover.

    Attributes:
        cells: The cells, each once.
        places: The number of the cell at each (row, column).
    """

    cells: tuple[Cell, ...]
    places: dict[tuple[int, int], int]

    def neighbours(self, cell: int, side: Side) -> set[int]:
        """Return the cells directly beside a cell; several if the cell spans rows or columns."""
        down, across = STEPS[side]
        found = {
            self.places.get((row + down, column + across), cell)
            for (row, column), number in self.places.items()
            if number == cell
        }
        return found - {cell}

    def headings(self, cell: int, side: Literal["up", "left"]) -> set[int]:
        """Return the header cells in one direction; the last cells there if none is a header."""
        passed: set[int] = set()
        last: set[int] = set()
        waiting = [cell]
        while waiting:
            number = waiting.pop()
            beyond = self.neighbours(number, side)
            if not beyond:
                last.add(number)
            waiting += beyond - passed
            passed |= beyond
        headers = {number for number in passed if self.cells[number].header}
        return headers - {cell} or last - {cell}


def tables_in(text: str) -> Iterator[CellGrid]:
    """Yield the tables of a page, those in HTML and those in Markdown."""
    for inside in between(text, "<table", "</table>"):
        yield _grid(parse_table(f"<table{inside}</table>").rows)
        text = text.replace(f"<table{inside}</table>", "\n\n", 1)
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if "|" in line:
            lines.append(line.strip())
            continue
        if len(lines) > 1 and "-" in lines[1] and set(lines[1]) <= set(" \t:|-"):
            rows = [_PIPE.split(each.strip("|")) for each in (lines[0], *lines[2:])]
            yield _grid(
                tuple(
                    tuple(Cell(part.strip(), header=number == 0) for part in row)
                    for number, row in enumerate(rows)
                )
            )
        lines = []


def _grid(rows: tuple[tuple[Cell, ...], ...]) -> CellGrid:
    cells: list[Cell] = []
    places: dict[tuple[int, int], int] = {}
    for row, line in enumerate(rows):
        column = 0
        for cell in line:
            while (row, column) in places:
                column += 1
            # Spans are what the model wrote, and can be anything.
            deep, wide = min(cell.rowspan, len(rows) - row), cell.colspan
            if len(places) + deep * wide > MAX_GRID_CELLS:
                deep = wide = 1
            for down in range(deep):
                for across in range(wide):
                    places.setdefault((row + down, column + across), len(cells))
            cells.append(cell)
            column += wide
    return CellGrid(tuple(cells), places)
