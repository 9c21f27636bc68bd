"""Parses the table HTML that the model writes into rows of cells, and writes it back.

The model's table HTML is small (``table``, ``tr``, ``td``, ``th``, spans,
``br``, ``sub``, ``sup``) and often broken: cut short, ``<tr><tr>``, text between
cells, an unescaped ``a <b``. Therefore only the tag names of :data:`_KNOWN` are
markup, and everything else is kept as text. ``html.parser`` would swallow ``<b and
c>`` and, in the Python versions we support, needs quadratic time on unclosed
declarations.

* A cell's text is plain text: entities are decoded once, ``<br>``, ``<p>``, ``<div>``,
  lists, their items and ``<center>`` become newlines, ``<sub>`` and ``<sup>`` stay,
  other known tags are dropped.
* Text outside any cell becomes a cell of its own in the same place.
* A table inside a cell becomes lines of that cell's text.
* Spans are read from ASCII digits and limited as in the HTML standard (1000 columns,
  65534 rows). :data:`MAX_GRID_CELLS` limits the number of positions that they fill.
"""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import dataclass

from ..errors import ConfigurationError
from .allowed_tags import let_through
from .spreadsheet_cells import without_formulas

__all__ = ["Cell", "Table", "decode_entities", "parse_table"]

MAX_COLSPAN = 1000
"""Upper limit of ``colspan`` in the HTML standard, section 4.9.11."""

MAX_ROWSPAN = 65534
"""Upper limit of ``rowspan`` in the HTML standard, section 4.9.11."""

MAX_GRID_CELLS = 100_000
"""Most positions that spans and padding may add to the grid of one table."""

_BREAKS = frozenset({"br", "p", "div", "li", "ul", "ol", "center"})
_SCRIPTS = frozenset({"sub", "sup"})
_SECTIONS = frozenset({"table", "thead", "tbody", "tfoot", "caption", "colgroup", "col"})
_INLINE = frozenset({"b", "i", "u", "s", "em", "strong", "span", "font", "small", "code"})
_KNOWN = frozenset({"tr", "td", "th"}) | _BREAKS | _SCRIPTS | _SECTIONS | _INLINE

# Each match starts at a "<" and ends before the next one: linear.
_CELL_TAG = re.compile(r"<(/?)([A-Za-z]{1,10})((?:[\s/][^<>]*)?)>")
_SPAN = re.compile(r"(colspan|rowspan)\s{0,9}=\s{0,9}[\"']?0*([0-9]{1,6})", re.ASCII | re.I)
_LINE_END = re.compile(r"\r\n?")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPED_SCRIPT = re.compile(r"&lt;(/?)(su[bp])&gt;")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: Plain text; lines are separated by a newline.
        colspan: Number of columns it covers, 1 to 1000.
        rowspan: Number of rows it covers, 1 to 65534.
        header: Whether it is a header cell (``<th>``, or inside ``<thead>``).

    Raises:
        ConfigurationError: If a span is out of range.
    """

    text: str
    colspan: int = 1
    rowspan: int = 1
    header: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.colspan <= MAX_COLSPAN and 1 <= self.rowspan <= MAX_ROWSPAN):
            raise ConfigurationError(
                f"a cell cannot span {self.colspan} columns and {self.rowspan} rows",
                remedy=f"Use 1 to {MAX_COLSPAN} columns and 1 to {MAX_ROWSPAN} rows.",
            )


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells as written: a spanning cell is listed once.

    Attributes:
        rows: The cells of each row, from left to right.
    """

    rows: tuple[tuple[Cell, ...], ...] = ()

    @property
    def has_spans(self) -> bool:
        """Whether any cell covers more than one row or column."""
        return any(cell.colspan > 1 or cell.rowspan > 1 for row in self.rows for cell in row)

    def to_rows(self) -> tuple[tuple[str, ...], ...]:
        """Returns the grid of texts, with a spanning cell's text in every position it covers.

        Returns:
            Rows of equal length, shorter ones filled with empty strings. Spans and
            filling that would add more than :data:`MAX_GRID_CELLS` positions are
            left out.
        """
        if self.has_spans:
            grid = _fill_spans(self.rows)
        else:
            grid = [[cell.text for cell in row] for row in self.rows]
        width = max((len(row) for row in grid), default=0)
        if width * len(grid) - sum(map(len, grid)) <= MAX_GRID_CELLS:
            for row in grid:
                row.extend([""] * (width - len(row)))
        return tuple(map(tuple, grid))

    def to_markdown(self) -> str:
        r"""Writes a GitHub table with the first row as its header; spans are filled.

        Pipes are written ``\|`` and newlines ``<br>``. Use :meth:`to_html` where
        :attr:`has_spans`: Markdown has no spanning cells.
        """
        rows = self.to_rows()
        if not rows:
            return ""
        width = max(map(len, rows))
        lines = [_markdown_row(row) for row in rows]
        lines[0] += "  |" * (width - len(rows[0]))
        lines.insert(1, "|" + " --- |" * width)
        return "\n".join(lines)

    def to_html(self) -> str:
        """Writes clean HTML on one line with every text escaped; ``parse_table`` reads it back."""
        rows = ("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in self.rows)
        return "<table>" + "".join(rows) + "</table>"

    def to_csv(self) -> str:
        """Writes comma-separated values (RFC 4180 quoting, newlines end rows); spans are filled.

        They are safe to open in a spreadsheet: an apostrophe precedes a text that it would run as a
        formula (``= + - @``), but not numbers with a sign, and control characters are replaced by
        U+FFFD. :meth:`to_rows` has the texts as they are.
        """
        buffer = io.StringIO()
        rows = self.to_rows()
        # Python's writer does not quote a bare carriage return, which would end the row.
        if any("\r" in text for row in rows for text in row):
            rows = tuple(tuple(_LINE_END.sub("\n", text) for text in row) for row in rows)
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerows(map(without_formulas, row) for row in rows)
        return buffer.getvalue()


def parse_table(text: str) -> Table:
    """Parses a table's HTML, however broken; never fails and never loses text.

    Args:
        text: The HTML from ``<table`` on. Several tables become one, with the rows of each
            below those of the previous one, and text around them becomes cells.

    Returns:
        The table without its empty rows, except those into which a cell above reaches.

    Example:
        >>> parse_table("<table><tr><td>a</td><td>b</td></tr></table>").to_rows()
        (('a', 'b'),)
    """
    builder = _TableBuilder()
    position = 0
    for match in _CELL_TAG.finditer(text):
        closing, name, attributes = match.groups()
        if name not in _KNOWN:
            name = name.lower()
            if name not in _KNOWN:
                continue
        start, end = match.span()
        if start > position:
            builder.text(text[position:start])
        position = end
        builder.tag(name, bool(closing), attributes)
    if position < len(text):
        builder.text(text[position:])
    return builder.finish()


def decode_entities(text: str) -> str:
    """Decodes character references once; ``&nbsp;`` is a space.

    A reference that has no semicolon or names no character is kept.
    """
    return _ENTITY.sub(_decode_entity, text) if "&" in text else text


def _decode_entity(match: re.Match[str]) -> str:
    written = match[0]
    if written == "&nbsp;":
        return " "
    decoded = html.unescape(written)
    # html.unescape also decodes prefixes (the "&not" of "&notit;") and drops controls.
    partly = decoded.endswith(";") and decoded != ";"
    return written if partly or not decoded else decoded


def _markdown_row(row: tuple[str, ...]) -> str:
    texts = "".join(row)
    if "|" in texts or "\n" in texts:
        row = tuple(text.replace("|", "\\|").replace("\n", "<br>") for text in row)
    return "| " + " | ".join(row) + " |"


def _html_cell(cell: Cell) -> str:
    name = "th" if cell.header else "td"
    spans = f' colspan="{cell.colspan}"' if cell.colspan > 1 else ""
    if cell.rowspan > 1:
        spans += f' rowspan="{cell.rowspan}"'
    body = let_through(html.escape(cell.text, quote=False), _ESCAPED_SCRIPT)
    return f"<{name}{spans}>{body.replace(chr(10), '<br>')}</{name}>"


def _fill_spans(rows: tuple[tuple[Cell, ...], ...]) -> list[list[str]]:
    """Lays cells out as the HTML standard does (4.9.12), within :data:`MAX_GRID_CELLS`."""
    budget = MAX_GRID_CELLS
    grid: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}  # Column: rows still covered, text.
    for number, cells in enumerate(rows):
        row: list[str] = []
        covered: dict[int, tuple[int, str]] = {}
        for cell in cells:
            while len(row) in below:
                _cover(row, below, covered)
            rowspan = min(cell.rowspan, len(rows) - number)
            colspan = cell.colspan
            if colspan * rowspan - 1 > budget:
                colspan = rowspan = 1
            budget -= colspan * rowspan - 1
            for _ in range(colspan):
                # Where cells overlap, the later one wins.
                below.pop(len(row), None)
                if rowspan > 1:
                    covered[len(row)] = (rowspan - 1, cell.text)
                row.append(cell.text)
        for column in sorted(below):
            # Empty positions to the left of a position that a row above covers.
            gap = column - len(row)
            if gap > budget:
                break
            budget -= max(0, gap)
            row.extend([""] * gap)
            _cover(row, below, covered)
        below = covered
        grid.append(row)
    return grid


def _cover(
    row: list[str], below: dict[int, tuple[int, str]], covered: dict[int, tuple[int, str]]
) -> None:
    left, text = below.pop(len(row))
    if left > 1:
        covered[len(row)] = (left - 1, text)
    row.append(text)


_EMPTY = Cell("")


class _TableBuilder:
    """Collects cells from a stream of tags and texts."""

    def __init__(self) -> None:
        self.rows: list[list[Cell]] = []
        self.row: list[Cell] | None = None
        self.parts: list[str] = []
        self.in_cell = False
        self.colspan = self.rowspan = 1
        self.header = self.in_head = False
        self.depth = 0  # Of tables inside the open cell.

    def text(self, text: str) -> None:
        self.parts.append(decode_entities(text.replace("\n", " ")))

    def tag(self, name: str, closing: bool, attributes: str) -> None:
        if name in ("td", "th") and not self.depth:
            self._end_cell()
            if not closing:
                self._start_cell(name == "th", attributes)
        elif name in _INLINE:
            return
        elif name in _SCRIPTS:
            self.parts.append(f"</{name}>" if closing else f"<{name}>")
        elif name in _BREAKS:
            self.parts.append("\n")
        elif self.depth and not (name == "table" and closing):
            self.depth += name == "table"
            self._separate(" " if name in ("td", "th") else "\n")
        elif name == "table" and self.in_cell:
            self._table_in_cell(closing)
        else:
            self._end_cell()
            self._structure(name, closing)

    def _start_cell(self, header: bool, attributes: str) -> None:
        self.in_cell = True
        self.header = header or self.in_head
        if attributes:
            spans = {name.lower(): int(digits) for name, digits in _SPAN.findall(attributes)}
            self.colspan = min(max(1, spans.get("colspan", 1)), MAX_COLSPAN)
            self.rowspan = min(max(1, spans.get("rowspan", 1)), MAX_ROWSPAN)

    def _table_in_cell(self, closing: bool) -> None:
        if not closing:
            self.depth = 1
            self._separate("\n")
        elif self.depth:
            self.depth -= 1
            self._separate("\n")
        else:
            self._end_cell()
            self._end_row()

    def _separate(self, space: str) -> None:
        """Separates the texts of an inner table by one space or line break."""
        if self.parts and self.parts[-1] in (" ", "\n"):
            space = max(space, self.parts.pop(), key=" \n".index)
        self.parts.append(space)

    def _structure(self, name: str, closing: bool) -> None:
        if name == "thead":
            self.in_head = not closing
        if name == "tr" and not closing:
            # <tr><tr>: the first is a mistake of the model, not an empty row.
            if self.row != []:
                self._end_row()
                self.row = []
        elif name == "tr" or name not in ("col", "colgroup"):
            self._end_row()

    def _end_cell(self) -> None:
        text = ""
        if self.parts:
            text = _tidy("".join(self.parts))
            self.parts.clear()
        if not text and not self.in_cell:
            return
        if self.row is None:
            self.row = []
        if text or self.header or self.colspan > 1 or self.rowspan > 1:
            self.row.append(Cell(text, self.colspan, self.rowspan, self.header))
            self.header = False
            self.colspan = self.rowspan = 1
        else:
            self.row.append(_EMPTY)
        self.in_cell = False

    def _end_row(self) -> None:
        if self.row is not None:
            self.rows.append(self.row)
            self.row = None

    def finish(self) -> Table:
        self._end_cell()
        self._end_row()
        return Table(tuple(tuple(row) for row in self._wanted_rows()))

    def _wanted_rows(self) -> list[list[Cell]]:
        """Returns the rows without empty ones, except those into which a cell above reaches."""
        wanted: list[list[Cell]] = []
        reach = 0
        for row in self.rows:
            if row or reach > 0:
                wanted.append(row)
                reach = max(reach - 1, max((c.rowspan for c in row), default=1) - 1)
        return wanted


def _tidy(text: str) -> str:
    """Removes spaces around each line and empty lines around the whole."""
    if "\n" not in text:
        return text.strip()
    return "\n".join(line.strip() for line in text.split("\n")).strip("\n")
