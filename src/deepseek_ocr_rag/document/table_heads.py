"""Finds the head of a table, the rows that name its columns, in the table's own text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from ..text.dates import dates
from .tables import parse_table

__all__ = ["TableRows", "cells_of_row", "count_head_rows", "is_group_row", "table_rows"]

MAX_TITLE_ROWS: Final = 3
"""Most title rows (rows with at most one text) above the names of the columns."""

MAX_SPAN: Final = 4
"""Most rows that the column names take up. A cell that spans more rows names a group of rows."""

MAX_HEAD_ROWS: Final = 6
"""Most rows of a head above rows of figures: a title, a unit, periods, months, years."""

_HTML_ROW: Final = re.compile(r"<tr[\s>]", re.IGNORECASE)
_CELL_EDGE: Final = re.compile(r"(?<!\\)\|")
_NUMERIC: Final = re.compile(
    # A year is a name, not a number.
    r"(?!\s*(?:19|20)[0-9]{2}\s*$)[\s$€£¥+\-–−—(]*[0-9][0-9.,\s]*[%)\s]*"
)
_DASH: Final = re.compile(r"[\s$€£¥]*[-–−—]+[\s%]*")
_YEAR: Final = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table; the ``---`` line of a Markdown table belongs to its first row."""

    starts: tuple[int, ...]  # offsets in the text
    body: int  # index of the first row after the head
    columns: int  # number of columns in the row that names them
    named: bool  # whether that row has names rather than numbers
    numeric: bool  # whether the first row, group rows not counted, has numbers rather than names


@dataclass(frozen=True, slots=True)
class _HeadRow:
    texts: tuple[str, ...]
    rowspan: int

    @property
    def is_title(self) -> bool:
        """Whether it has at most one text. A text only in the second of two columns is a column's name."""
        filled = [i for i, text in enumerate(self.texts) if text.strip()]
        return len(filled) < 2 and not (len(self.texts) == 2 and filled == [1])

    @property
    def is_numeric(self) -> bool:
        numbers = sum(bool(_NUMERIC.fullmatch(text)) for text in self.texts)
        return numbers > 0 and 2 * numbers >= sum(bool(text.strip()) for text in self.texts)

    @property
    def has_figures_only(self) -> bool:
        """Whether it is a label followed by nothing but figures."""
        behind = [text for text in self.texts[1:] if text.strip()]
        figures = [text for text in behind if _NUMERIC.fullmatch(text)]
        dashes = [text for text in behind if _DASH.fullmatch(text)]
        label = self.texts[0] if self.texts else ""
        return bool(
            figures and len(figures) + len(dashes) == len(behind) and any(map(str.isalpha, label))
        )

    @property
    def is_group(self) -> bool:
        """Whether it is a label with a colon, followed by nothing."""
        return (
            self.texts[:1] != ()
            and self.texts[0].rstrip().endswith(":")
            and not any(text.strip() for text in self.texts[1:])
        )

    @property
    def names_columns(self) -> bool:
        """Whether it can follow other names of columns: it has years, dates, or no label."""
        if not self.texts or any(map(_NUMERIC.fullmatch, self.texts)):
            return False
        behind = [text for text in self.texts[1:] if text.strip()]
        if not behind:
            return False
        return not self.texts[0].strip() or all(_YEAR.search(t) or dates(t) for t in behind)

    @property
    def has_names_only(self) -> bool:
        """Whether it has no number, and several texts after the first, which are not all "n/a"."""
        behind = {text.strip() for text in self.texts[1:] if not _DASH.fullmatch(text)} - {""}
        return len(behind) > 1 and not any(map(_NUMERIC.fullmatch, self.texts))


def table_rows(text: str) -> TableRows:
    """Finds the rows of a table (Markdown or HTML) and separates its head from its body.

    The head is the first row that is not a title, the titles above it (rows with at most one
    text), and the rows into which its cells reach. Above rows of figures, the head includes further
    rows of years, dates or names without a label, the titles between them, and a row of names with a
    label if the first row has no label and all rows below have figures. If there are titles and the
    first other row has numbers, the head is only the titles. A table of one row has no head; nor has
    a table that begins with a label and its figures, because it is the rest of another table.
    """
    starts = _starts(text)
    if not starts:
        return TableRows((), 0, 0, named=False, numeric=False)
    bounds = [*starts, len(text)]
    rows = [_head_row(text[a:b]) for a, b in islice(pairwise(bounds), MAX_HEAD_ROWS + 1)]
    names, body = _head(rows, len(starts))
    row = rows[names]
    return TableRows(
        starts=tuple(starts),
        body=body,
        columns=len(row.texts),
        named=body > names and not row.is_numeric,
        numeric=rows[_groups(rows)].is_numeric,
    )


def count_head_rows(rows: Sequence[str]) -> int:
    """Counts the rows of a table's head, by the rules of :func:`table_rows`.

    Args:
        rows: The text of each row, ``| a | b |`` or ``<tr>...</tr>``.
    """
    if not rows:
        return 0
    return _head([_head_row(row) for row in rows[: MAX_HEAD_ROWS + 1]], len(rows))[1]


def cells_of_row(row: str) -> tuple[str, ...]:
    """Returns a row's texts, one for each column; empty texts follow that of a spanning cell."""
    return _head_row(row).texts


def is_group_row(row: str) -> bool:
    """Whether a row is only a label, which introduces the rows below it: "Cost of sales:"."""
    label, *cells = cells_of_row(row) or ("",)
    return bool(cells and label.strip()) and not any(cell.strip() for cell in cells)


def _head(rows: Sequence[_HeadRow], count: int) -> tuple[int, int]:
    """Finds the index of the row that names the columns, and of the first row of the body."""
    names = 0
    while names < min(MAX_TITLE_ROWS, len(rows) - 1) and rows[names].is_title:
        names += 1
    row = rows[names]
    if rows[_groups(rows)].has_figures_only:
        return 0, 0
    span = row.rowspan if row.rowspan <= MAX_SPAN else 1
    body = names if names and row.is_numeric else names + span
    if any(later.is_numeric for later in rows[body:]):
        while further := _further_names(rows, body):
            body = further
        if body > names and not "".join(row.texts[:1]).strip() and _are_above_figures(rows, body):
            body += 1
    return names, min(body, count - 1)


def _further_names(rows: Sequence[_HeadRow], body: int) -> int:
    """The index after the next row that names columns, if only titles come before it; or 0."""
    at = body
    while at < len(rows) and rows[at].is_title and not rows[at].is_group:
        at += 1
    return at + 1 if at < len(rows) and rows[at].names_columns else 0


def _are_above_figures(rows: Sequence[_HeadRow], body: int) -> bool:
    """Whether a row such as "State | no. | Rate" names columns, because all rows below have figures."""
    below = [row for row in rows[body + 1 :] if not row.is_title]
    return rows[body].has_names_only and bool(below) and all(row.is_numeric for row in below)


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


def _groups(rows: Sequence[_HeadRow]) -> int:
    """Counts the rows at the top that only introduce those below them: "Cost of sales:"."""
    count = 0
    while count < len(rows) - 1 and rows[count].is_group:
        count += 1
    return count
