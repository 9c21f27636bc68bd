"""Cuts paragraphs, figures and tables into units that stay together in a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..document.paragraphs import Float, Paragraph, Slice
from ..document.table_heads import TableRows, table_rows
from ..text.splitting import CountTokens, split_text

__all__ = ["ChunkUnit", "Part", "UnitCutter"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A slice of a page that goes into one chunk."""

    slice: Slice  # empty for a picture
    repeated: bool = False  # whether an earlier unit has it too


@dataclass(frozen=True, slots=True, eq=False)
class ChunkUnit:
    """Parts that stay together, at least one of them not repeated."""

    parts: tuple[Part, ...]
    size: int  # tokens of their texts, with the separator before each
    heading: bool = False

    @property
    def first_page(self) -> int:
        """Number of the page on which its unrepeated text begins."""
        return next(part.slice.page.number for part in self.parts if not part.repeated)

    @property
    def last_page(self) -> int:
        """Number of the page on which it ends."""
        return self.parts[-1].slice.page.number


@dataclass(frozen=True, slots=True, eq=False)
class _TableHead:
    """What a table passes on to its continuation on the next page."""

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
            self._head = self._head if item.furniture else None
            yield from self._paragraph(item, budget)

    def _unit(self, parts: Sequence[Part], *, heading: bool = False) -> ChunkUnit:
        texts = (part.slice.before + part.slice.text for part in parts if part.slice.text)
        return ChunkUnit(tuple(parts), sum(map(self._count, texts)), heading)

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
                    # Units of one paragraph that meet in a chunk read as in the paragraph.
                    before = text[previous:left]
                shift = piece.start - at
                cut = replace(piece, start=left + shift, end=right + shift, before=before)
                parts.append(Part(cut))
            previous = end
            yield self._unit(parts, heading=paragraph.heading)

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
        for caption in item.slices:
            if caption.block is item.block:
                side = below
            elif not table.text or self._count(caption.text) > budget // 2:
                # No real caption is that long: treat it as text.
                yield from (self._unit([Part(piece)]) for piece in self._pieces(caption, budget))
            else:
                side.append(Part(caption))
        if table.text:
            yield from self._rows(table, above, below, budget)

    def _rows(
        self, table: Slice, above: Sequence[Part], below: Sequence[Part], budget: int
    ) -> Iterator[ChunkUnit]:
        rows = table_rows(table.text)
        inherited = self._inherited_head(table, rows, above)
        body = replace(table, start=table.start + rows.starts[rows.body]) if rows.body else table
        heads = self._pieces(replace(table, end=body.start), budget // 2)
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
        after = "\n" if top and top[-1].slice.block.kind == "table" else table.before
        used = self._unit([*top, *below]).size + self._count(after)
        room = max(budget // 2, budget - used)
        for piece in self._pieces(body, room):
            yield self._unit([*top, Part(replace(piece, before=after)), *below])
            top, below = _repeated(top), _repeated(below)

    def _inherited_head(
        self, table: Slice, rows: TableRows, captions: Sequence[Part]
    ) -> _TableHead | None:
        """The previous table's head, if this table continues it and has no head of its own."""
        head = self._head
        if head is None or captions or not rows.numeric:
            return None
        continues = (head.page + 1, head.columns) == (table.page.number, rows.columns)
        return head if continues else None


def _repeated(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(replace(part, repeated=True) for part in parts)
