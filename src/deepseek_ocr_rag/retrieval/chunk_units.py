"""What chunks are packed from: parts of the text that stay together, each within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..document.paragraphs import Float, Paragraph, Slice
from ..document.table_heads import TableRows, table_rows
from ..text.splitting import CountTokens, split_text

__all__ = ["ChunkUnit", "Part", "UnitCutter"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A slice of a page that goes into one chunk.

    Attributes:
        slice: The slice; a picture's is empty.
        repeated: Whether an earlier unit has it too.
    """

    slice: Slice
    repeated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ChunkUnit:
    """Parts that stay together.

    Attributes:
        parts: In the order of the chunk's text, at least one of them not repeated.
        size: Tokens of their texts, with what stands before each.
        heading: Whether it is a heading.
    """

    parts: tuple[Part, ...]
    size: int
    heading: bool = False

    @property
    def first_page(self) -> int:
        """Number of the page on which its own text begins."""
        return next(part.slice.page.number for part in self.parts if not part.repeated)

    @property
    def last_page(self) -> int:
        """Number of the page on which it ends."""
        return self.parts[-1].slice.page.number


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """What a table lends to one that goes on with it.

    Attributes:
        parts: The captions above it and its head.
        page: Number of the page on which the table stands.
        columns: Of the table.
    """

    parts: tuple[Part, ...]
    page: int
    columns: int


class UnitCutter:
    """Cuts paragraphs, figures and tables into units, in the order of the document.

    Args:
        count: How many tokens a text has.
    """

    def __init__(self, count: CountTokens) -> None:
        self._count = count
        # Of the table before, as long as nothing came between.
        self._head: _Head | None = None

    def cut(self, item: Paragraph | Float, budget: int) -> Iterator[ChunkUnit]:
        """The units of the next item.

        Args:
            item: A paragraph, a figure or a table.
            budget: Tokens of a unit. Captions and the head of a table may exceed it.
        """
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
                    # Units of one paragraph that meet in a chunk read as it did.
                    before = text[previous:left]
                shift = piece.start - at
                cut = replace(piece, start=left + shift, end=right + shift, before=before)
                parts.append(Part(cut))
            previous = end
            yield self._unit(parts, heading=paragraph.heading)

    def _figure(self, item: Float, budget: int) -> Iterator[ChunkUnit]:
        """Picture, captions and texts in it; where that is too long, the picture with the first."""
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
        """A table with its captions; where that is too long, parts that repeat captions and head."""
        table = next(piece for piece in item.slices if piece.block is item.block)
        above: list[Part] = []
        below: list[Part] = []
        side = above
        for caption in item.slices:
            if caption.block is item.block:
                side = below
            elif not table.text or self._count(caption.text) > budget // 2:
                # No caption is that long: it is text, and stands for itself.
                yield from (self._unit([Part(piece)]) for piece in self._pieces(caption, budget))
            else:
                side.append(Part(caption))
        if table.text:
            yield from self._rows(table, above, below, budget)

    def _rows(
        self, table: Slice, above: Sequence[Part], below: Sequence[Part], budget: int
    ) -> Iterator[ChunkUnit]:
        rows = table_rows(table.text)
        lent = self._lent(table, rows, above)
        body = replace(table, start=table.start + rows.starts[rows.body]) if rows.body else table
        heads = self._pieces(replace(table, end=body.start), budget // 2)
        whole = self._unit([*above, Part(table), *below])
        self._head = None
        if lent is not None:
            self._head = replace(lent, page=table.page.number)
            top, body = lent.parts, table
        else:
            # What is left of an overlong head is text like any row.
            body = replace(body, start=heads[1].start) if len(heads) > 1 else body
            top = (*above, *map(Part, heads[:1]))
            if len(heads) == 1 and rows.named:
                self._head = _Head(_again(top), table.page.number, rows.columns)
        if lent is None and whole.size <= budget:
            yield whole
            return
        after = "\n" if top and top[-1].slice.block.kind == "table" else table.before
        used = self._unit([*top, *below]).size + self._count(after)
        room = max(budget // 2, budget - used)
        for piece in self._pieces(body, room):
            yield self._unit([*top, Part(replace(piece, before=after)), *below])
            top, below = _again(top), _again(below)

    def _lent(self, table: Slice, rows: TableRows, captions: Sequence[Part]) -> _Head | None:
        """The head of the table before, where this one goes on with it and has none of its own."""
        head = self._head
        if head is None or captions or not rows.numeric:
            return None
        goes_on = (head.page + 1, head.columns) == (table.page.number, rows.columns)
        return head if goes_on else None


def _again(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(replace(part, repeated=True) for part in parts)
