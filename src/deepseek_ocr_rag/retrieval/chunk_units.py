"""Cuts paragraphs, figures and tables into units that stay together in a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Final

from ..document.paragraphs import PARAGRAPH_BREAK, Float, Paragraph, Slice
from ..document.table_heads import TableRows, is_group_row, table_rows
from ..text.splitting import CountTokens, split_text

__all__ = ["ChunkUnit", "Part", "UnitCutter"]


LARGEST_PART: Final = 3
"""How many quarters of the budget the head of a table may take, and how many its rows get at least;
with fewer, a chunk would have one row of a wide table. Captions take at most half the budget, so a
chunk has at most twice its budget."""

LONGEST_LEAD_IN: Final = 300
"""Most characters of a paragraph that introduces what follows it."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A slice of a page that goes into one chunk."""

    slice: Slice  # empty for a picture
    repeated: bool = False  # whether an earlier unit also has it

    def has(self, other: Part) -> bool:
        """Whether it contains another part."""
        mine, theirs = self.slice, other.slice
        same = mine.page.number == theirs.page.number
        return same and mine.start <= theirs.start and theirs.end <= mine.end


@dataclass(frozen=True, slots=True, eq=False)
class ChunkUnit:
    """Parts that stay together, at least one of them not repeated."""

    parts: tuple[Part, ...]
    size: int  # tokens of their texts, with the separator before each
    heading: bool = False
    leads_in: bool = False  # whether it introduces what follows: "Cost of sales:"
    head_size: int = 0  # tokens of the repeated parts at its top

    @property
    def first_page(self) -> int:
        """Number of the page on which its unrepeated text begins."""
        return next(part.slice.page.number for part in self.parts if not part.repeated)

    @property
    def last_page(self) -> int:
        """Number of the page on which it ends."""
        return self.parts[-1].slice.page.number

    def below(self, units: Sequence[ChunkUnit]) -> ChunkUnit:
        """This unit as it appears in a chunk below other units, without a table head that they already have."""
        there = [part for unit in units for part in unit.parts]
        top = list(takewhile(lambda part: part.repeated, self.parts))
        if not top or not all(any(part.has(head) for part in there) for head in top):
            return self
        first, *rest = self.parts[len(top) :]
        goes_on = there[-1].slice.block is first.slice.block
        before = "\n" if goes_on else PARAGRAPH_BREAK
        first = replace(first, slice=replace(first.slice, before=before))
        return replace(self, parts=(first, *rest), size=self.size - self.head_size, head_size=0)


@dataclass(frozen=True, slots=True, eq=False)
class _TableHead:
    """The head that a table passes on to its continuation on the next page."""

    parts: tuple[Part, ...]  # the captions above it and its head
    page: int  # number of the table's page
    columns: int  # number of the table's columns


class UnitCutter:
    """Cuts paragraphs, figures and tables into units, in the order of the document."""

    def __init__(self, count: CountTokens) -> None:
        self._count = count
        # The previous table's head, as long as only page furniture has come since.
        self._head: _TableHead | None = None

    def cut(self, item: Paragraph | Float, budget: int) -> Iterator[ChunkUnit]:
        """Cut the next item; only captions and a table's head may exceed the budget of tokens."""
        if isinstance(item, Float) and item.is_table:
            yield from self._table(item, budget)
        elif isinstance(item, Float):
            self._head = None
            yield from self._figure(item, budget)
        elif not item.repeated:
            # A line between the parts of a table, such as "Cost of sales:", does not end it.
            stays = item.furniture or _leads_in(item)
            self._head = self._head if stays else None
            yield from self._paragraph(item, budget)

    def _unit(
        self, parts: Sequence[Part], *, heading: bool = False, leads_in: bool = False
    ) -> ChunkUnit:
        sizes = [
            self._count(part.slice.before + part.slice.text) if part.slice.text else 0
            for part in parts
        ]
        top = len(list(takewhile(lambda part: part.repeated, parts)))
        return ChunkUnit(tuple(parts), sum(sizes), heading, leads_in, sum(sizes[:top]))

    def _pieces(self, whole: Slice, budget: int) -> list[Slice]:
        spans = split_text(whole.page.markdown, budget, self._count, (whole.start, whole.end))
        return [replace(whole, start=start, end=end) for start, end in spans]

    def _paragraph(self, paragraph: Paragraph, budget: int) -> Iterator[ChunkUnit]:
        text = ""
        starts: list[int] = []
        for piece in paragraph.slices:
            text += piece.before if starts else ""
            starts.append(len(text))
            text += piece.text
        previous = 0
        for start, end in split_text(text, budget, self._count):
            parts: list[Part] = []
            for piece, at in zip(paragraph.slices, starts, strict=True):
                left, right = max(start, at), min(end, at + piece.end - piece.start)
                if left >= right:
                    continue
                before = piece.before
                if previous and not parts:
                    # Units of one paragraph that meet in a chunk are joined as in the paragraph.
                    before = text[previous:left]
                shift = piece.start - at
                cut = replace(piece, start=left + shift, end=right + shift, before=before)
                parts.append(Part(cut))
            previous = end
            leads_in = end == len(text) and _leads_in(paragraph)
            yield self._unit(parts, heading=paragraph.heading, leads_in=leads_in)

    def _figure(self, item: Float, budget: int) -> Iterator[ChunkUnit]:
        """Keep a picture with its texts; if they are too long, with the first part of them."""
        members = item.slices
        whole = self._unit([*map(Part, members)])
        if whole.size <= budget:
            yield from [whole] if whole.size else []
            return
        pictures = [Part(member) for member in members if not member.text]
        for member in members:
            for piece in self._pieces(member, budget):
                yield self._unit([*pictures, Part(piece)])
                pictures = []

    def _table(self, item: Float, budget: int) -> Iterator[ChunkUnit]:
        """Keep a table with its captions; if too long, repeat captions and head in each part."""
        table = next(piece for piece in item.slices if piece.block is item.block)
        above: list[Part] = []
        below: list[Part] = []
        side = above
        left = budget // 2
        for caption in item.slices:
            if caption.block is item.block:
                side = below
                continue
            size = self._unit([Part(caption)]).size
            if not table.text or size > left:
                # No real captions are that long: treat it as text.
                yield from (self._unit([Part(piece)]) for piece in self._pieces(caption, budget))
            else:
                left -= size
                side.append(Part(caption))
        if table.text:
            yield from self._rows(table, above, below, budget)

    def _rows(
        self, table: Slice, above: Sequence[Part], below: Sequence[Part], budget: int
    ) -> Iterator[ChunkUnit]:
        rows = table_rows(table.text)
        most = budget // 2 + LARGEST_PART * budget // 4
        inherited = self._inherited_head(table, rows, above)
        if inherited and self._unit([*inherited.parts, *below]).size > most:
            inherited = None
        body = replace(table, start=table.start + rows.starts[rows.body]) if rows.body else table
        heads = self._pieces(replace(table, end=body.start), LARGEST_PART * budget // 4)
        whole = self._unit([*above, Part(table), *below])
        self._head = None
        if inherited is not None:
            self._head = replace(inherited, page=table.page.number)
            top, body = inherited.parts, table
        else:
            # The rest of an overlong head is cut like any row.
            body = replace(body, start=heads[1].start) if len(heads) > 1 else body
            top = (*above, *map(Part, heads[:1]))
            if len(heads) == 1 and rows.named:
                self._head = _TableHead(_repeated(top), table.page.number, rows.columns)
        if inherited is None and whole.size <= budget:
            yield whole
            return
        head = top[-1].slice if top and top[-1].slice.block.kind == "table" else None
        alike = head is not None and head.text.startswith("|") == body.text.startswith("|")
        after = "\n" if alike else table.before
        groups = [Part(row, repeated=True) for row in _group_rows(table, rows) if top]
        longest = max((self._unit([row]).size for row in groups), default=0)
        used = self._unit([*top, *below]).size + self._count(after) + longest
        room = max(LARGEST_PART * budget // 4, budget - used)
        for piece in self._pieces(body, room):
            # "Earnings per share:" is above each part of the rows that it introduces.
            said = [row for row in groups if row.slice.start < piece.start][-1:]
            if self._unit([*top, *said, *below]).size > most:
                said = []
            yield self._unit([*top, *said, Part(replace(piece, before=after)), *below])
            top, below = _repeated(top), _repeated(below)

    def _inherited_head(
        self, table: Slice, rows: TableRows, captions: Sequence[Part]
    ) -> _TableHead | None:
        """The previous table's head, if this table continues it and has no head of its own.

        A statement is often read in parts, with lines such as "Cost of sales:" between them.
        """
        head = self._head
        if head is None or captions or not rows.numeric:
            return None
        near = table.page.number in (head.page, head.page + 1)
        return head if near and head.columns == rows.columns else None


def _group_rows(table: Slice, rows: TableRows) -> list[Slice]:
    """The rows of a table's body that are only a label, which introduces the rows below it."""
    spans = list(pairwise([*rows.starts, len(table.text)]))[rows.body :]
    texts = [table.text[start:end] for start, end in spans]
    return [
        replace(
            table,
            start=table.start + start,
            end=table.start + start + len(text.rstrip()),
            before="\n",
        )
        for (start, _), text in zip(spans, texts, strict=True)
        if is_group_row(text)
    ]


def _leads_in(paragraph: Paragraph) -> bool:
    """Whether a short line introduces the rows or the list below it."""
    text = paragraph.slices[-1].text.rstrip()
    return not paragraph.heading and text.endswith(":") and len(text) <= LONGEST_LEAD_IN


def _repeated(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(replace(part, repeated=True) for part in parts)
