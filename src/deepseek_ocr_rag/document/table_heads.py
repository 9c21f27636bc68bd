"""Finds the head of a table, the rows that name its columns, in the table's own text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from .tables import parse_table

__all__ = ["TableRows", "table_rows"]

MAX_TITLE_ROWS: Final = 3
"""Most title rows (rows with one cell of text) above the names of the columns."""

MAX_SPAN: Final = 4
"""Most rows that the column names take up. A cell that spans more rows names a group of them."""

_HTML_ROW: Final = re.compile(r"<tr[\s>]", re.IGNORECASE)
_CELL_EDGE: Final = re.compile(r"(?<!\\)\|")
_NUMERIC: Final = re.compile(
    # A year is a name, not a number.
    r"(?!\s*(?:19|20)[0-9]{2}\s*$)[\s$€£¥+\-–−—(]*[0-9][0-9.,\s]*[%)\s]*"
)


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table; the ``---`` line of a Markdown table belongs to its first row."""

    starts: tuple[int, ...]  # offsets in the text
    body: int  # index of the first row after the head
    columns: int  # of the row that names them
    named: bool  # whether that row has names rather than numbers
    numeric: bool  # whether the first row has numbers rather than names


@dataclass(frozen=True, slots=True)
class _HeadRow:
    texts: tuple[str, ...]
    rowspan: int

    @property
    def is_title(self) -> bool:
        """Whether it has at most one text; one only in the second of two columns is a name."""
        filled = [i for i, text in enumerate(self.texts) if text.strip()]
        return len(filled) < 2 and not (len(self.texts) == 2 and filled == [1])

    @property
    def is_numeric(self) -> bool:
        numbers = sum(bool(_NUMERIC.fullmatch(text)) for text in self.texts)
        return numbers > 0 and 2 * numbers >= sum(bool(text.strip()) for text in self.texts)


def table_rows(text: str) -> TableRows:
    """Finds the rows of a table (Markdown or HTML) and separates its head from its body.

    The head is the first row that is not a title, the titles above it (rows with at most one
    text), and the rows into which its cells reach. If there are titles and that row holds numbers,
    the head is only the titles. A table of one row has no head.
    """
    starts = _starts(text)
    if not starts:
        return TableRows((), 0, 0, named=False, numeric=False)
    bounds = [*starts, len(text)]
    rows = [_head_row(text[a:b]) for a, b in islice(pairwise(bounds), MAX_TITLE_ROWS + 1)]
    names = 0
    while names < min(MAX_TITLE_ROWS, len(rows) - 1) and rows[names].is_title:
        names += 1
    row = rows[names]
    span = row.rowspan if row.rowspan <= MAX_SPAN else 1
    body = names if names and row.is_numeric else names + span
    return TableRows(
        starts=tuple(starts),
        body=min(body, len(starts) - 1),
        columns=len(row.texts),
        named=not row.is_numeric,
        numeric=rows[0].is_numeric,
    )


def _starts(text: str) -> list[int]:
    if not text.startswith("|"):
        return [match.start() for match in _HTML_ROW.finditer(text)]
    lines = [0, *(match.end() for match in re.finditer(r"\n", text))]
    # The second line is the ``---`` line that Markdown needs.
    return [lines[0], *lines[2:]]


def _head_row(text: str) -> _HeadRow:
    if text.startswith("|"):
        line = text.partition("\n")[0].strip()
        return _HeadRow(tuple(_CELL_EDGE.split(line)[1:-1]), 1)
    cells = [cell for row in parse_table(text).rows for cell in row]
    texts = tuple(text for cell in cells for text in (cell.text, *[""] * (cell.colspan - 1)))
    return _HeadRow(texts, max((cell.rowspan for cell in cells), default=1))
