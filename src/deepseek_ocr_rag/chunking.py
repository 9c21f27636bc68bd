"""Pages cut for retrieval, by layout and not by characters.

A :class:`Chunk` is a run of blocks under one heading, up to a budget. Headings
stay with what follows them, captions with their table, and the parts of a long
table each repeat its head. What a chunk says can be traced: it is made of
:class:`Piece` objects, each an exact slice of one page's Markdown with its boxes.

Chunks do not cross pages. Page furniture (running heads, page numbers) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .document import Block, Box, OcrDocument, Page
from .errors import ConfigurationError
from .sentences import sentence_spans

__all__ = ["Chunk", "Piece", "chunk_document"]

_HEADINGS: Final = frozenset({"title", "sub_title"})
_FURNITURE: Final = frozenset({"header", "footer", "page_header", "page_footer", "page_number"})
_SEPARATOR: Final = "\n\n"
_ROW: Final = re.compile(r"<tr[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A slice of one page that stands, unchanged, in a chunk.

    Attributes:
        page: 1-based page number.
        kind: The kind of its block.
        span: ``(start, end)`` in the page's Markdown.
        offset: Where it begins in the chunk's text; it ends as many characters
            later as ``span`` is long.
        boxes: Those of its block.
    """

    page: int
    kind: str
    span: tuple[int, int]
    offset: int
    boxes: tuple[Box, ...] = ()

    @property
    def end(self) -> int:
        """Where it ends in the chunk's text."""
        return self.offset + self.span[1] - self.span[0]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text for retrieval that knows where it stands.

    Attributes:
        text: Its pieces, with empty lines between blocks.
        source: The document.
        pieces: What it is made of, in the order of the text.
        section: The headings that all of it stands under, outermost first.
    """

    text: str
    source: str
    pieces: tuple[Piece, ...]
    section: tuple[str, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages it stands on, 1-based, in order."""
        return tuple(dict.fromkeys(piece.page for piece in self.pieces))

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes on its first page, each once."""
        first = self.pieces[0].page
        return tuple(
            dict.fromkeys(
                box for piece in self.pieces if piece.page == first for box in piece.boxes
            )
        )

    @property
    def span(self) -> tuple[int, int]:
        """From its first to its last character in the Markdown of its first page."""
        spans = [piece.span for piece in self.pieces if piece.page == self.pieces[0].page]
        return min(start for start, _ in spans), max(end for _, end in spans)


def chunk_document(document: OcrDocument, *, max_chars: int = 1200) -> tuple[Chunk, ...]:
    """Cut a document into chunks, in reading order.

    Args:
        document: What was read; pages without text give no chunk.
        max_chars: Budget for a chunk's text. Headings, a caption and the head of
            a table may exceed it, for they are never parted from what follows.

    Returns:
        The chunks. Every non-space character of every block that is no page
        furniture is in at least one.

    Raises:
        ConfigurationError: If ``max_chars`` is below 50.
    """
    if max_chars < 50:
        raise ConfigurationError(
            f"a chunk of {max_chars} characters is too short", remedy="Take at least 50."
        )
    return tuple(
        chunk for page in document.pages for chunk in _chunks_of(page, document.source, max_chars)
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice of a page that goes into one chunk whole."""

    start: int
    end: int
    block: Block

    @property
    def heading(self) -> bool:
        return _is_heading(self.block)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Parts that stay together, and how much room they take."""

    parts: tuple[_Part, ...]

    @property
    def size(self) -> int:
        return sum(part.end - part.start + len(_SEPARATOR) for part in self.parts)

    @property
    def heading(self) -> bool:
        return all(part.heading for part in self.parts)


def _chunks_of(page: Page, source: str, max_chars: int) -> Iterator[Chunk]:
    current: list[_Unit] = []
    for unit in _units(page, max_chars):
        size = sum(u.size for u in current)
        body = _without_last_headings(current)
        # A heading opens a chunk, unless what stands before it is still a scrap.
        if body and (size + unit.size > max_chars or (unit.heading and size >= max_chars // 4)):
            yield _chunk(page, source, body)
            current = current[len(body) :]
        current.append(unit)
    if current:
        yield _chunk(page, source, current)


def _without_last_headings(units: list[_Unit]) -> list[_Unit]:
    """A heading goes with what follows it, so it never ends a chunk that something follows."""
    length = len(units)
    while length and units[length - 1].heading:
        length -= 1
    return units[:length]


def _chunk(page: Page, source: str, units: Iterable[_Unit]) -> Chunk:
    parts = [part for unit in units for part in unit.parts]
    pieces: list[Piece] = []
    text = ""
    previous: _Part | None = None
    for part in parts:
        if previous is not None:
            same_table = part.block is previous.block and part.block.kind == "table"
            text += "\n" if same_table else _SEPARATOR
        span = (part.start, part.end)
        pieces.append(Piece(page.number, part.block.kind, span, len(text), part.block.boxes))
        text += page.markdown[part.start : part.end]
        previous = part
    body = [part.block for part in parts if not part.heading] or [part.block for part in parts]
    return Chunk(text, source, tuple(pieces), _common([block.section for block in body]))


def _common(sections: list[tuple[str, ...]]) -> tuple[str, ...]:
    shared = sections[0]
    for section in sections[1:]:
        length = next(
            (i for i, (a, b) in enumerate(zip(shared, section, strict=False)) if a != b),
            min(len(shared), len(section)),
        )
        shared = shared[:length]
    return shared


def _units(page: Page, max_chars: int) -> Iterator[_Unit]:
    """What a page is cut into before it is joined again: never more than the budget, but for heads."""
    blocks = _readable_blocks(page)
    position = 0
    while position < len(blocks):
        block = blocks[position]
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        taken = 1
        if following is not None and _is_caption(block) and following.kind == "table":
            yield from _table_units(page, following, block, max_chars)
            taken = 2
        elif block.kind == "table":
            after = blocks[position + 2] if position + 2 < len(blocks) else None
            # A caption between two tables belongs to the second, as it would above a first.
            free = after is None or after.kind != "table"
            caption = following if following and _is_caption(following) and free else None
            yield from _table_units(page, block, caption, max_chars)
            taken = 2 if caption else 1
        else:
            yield from (_Unit((part,)) for part in _parts(page, block, max_chars))
        position += taken


def _readable_blocks(page: Page) -> list[Block]:
    blocks = [b for b in page.blocks if b.text.strip() and b.kind not in _FURNITURE]
    if not page.blocks and page.markdown.strip():
        return [Block("", page.markdown, span=(0, len(page.markdown)))]
    return blocks


def _is_heading(block: Block) -> bool:
    return block.kind in _HEADINGS or (
        block.text.startswith("#") and "\n" not in block.text.strip()
    )


def _is_caption(block: Block) -> bool:
    return block.kind in ("table_caption", "table_title")


def _table_units(
    page: Page, table: Block, caption: Block | None, max_chars: int
) -> Iterator[_Unit]:
    """A table and its caption; where they are too long, parts that repeat caption and head."""
    start, end = table.span
    captions = () if caption is None else _parts(page, caption, max_chars)
    if len(captions) > 1:
        # No caption is that long: it is text, and stands for itself.
        yield from (_Unit((part,)) for part in captions)
        captions = ()
    above = captions if caption is not None and caption.span < table.span else ()
    below = () if above else captions
    rows = _row_starts(page.markdown, start, end)
    whole = sum(part.end - part.start for part in captions) + end - start
    if whole <= max_chars or len(rows) < 2:
        yield from (_Unit((*above, part, *below)) for part in _parts(page, table, max_chars))
        return
    heads = tuple(_split(page.markdown, start, rows[0], max_chars // 2))
    # What is left of an overlong head is text like any row.
    rows = [heads[1][0], *rows] if len(heads) > 1 else rows
    head = _Part(*heads[0], table)
    room = max(max_chars // 2, max_chars - _Unit((*above, head, *below)).size)
    for part_start, part_end in _join_rows(page.markdown, rows, end, room):
        yield _Unit((*above, head, _Part(part_start, part_end, table), *below))


def _parts(page: Page, block: Block, max_chars: int) -> tuple[_Part, ...]:
    pieces = _split(page.markdown, *block.span, max_chars)
    return tuple(_Part(start, end, block) for start, end in pieces)


def _row_starts(markdown: str, start: int, end: int) -> list[int]:
    """Where the rows after the head begin."""
    if markdown.startswith("|", start):
        lines = [m.end() for m in re.finditer(r"\n", markdown[start:end])]
        return [start + line for line in lines[1:]]
    return [match.start() for match in _ROW.finditer(markdown, start, end)][1:]


def _join_rows(markdown: str, rows: list[int], end: int, room: int) -> Iterator[tuple[int, int]]:
    first = rows[0]
    for row, following in zip(rows, [*rows[1:], end], strict=True):
        if following - first > room and row > first:
            yield from _split(markdown, first, row, room)
            first = row
    yield from _split(markdown, first, end, room)


def _split(markdown: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    """The span itself where it fits, else runs of sentences, and overlong sentences at spaces."""
    start, end = _trim_left(markdown, start, end), _trim(markdown, start, end)
    if end - start <= room:
        if start < end:
            yield start, end
        return
    first = last = start
    for left, right in sentence_spans(markdown[start:end]):
        left, right = start + left, start + right
        if right - first > room and last > first:
            yield first, last
            first = left
        while right - first > room:
            space = markdown.rfind(" ", first + room // 2, first + room)
            cut = space if space > 0 else first + room
            yield first, _trim(markdown, first, cut)
            first = _trim_left(markdown, cut, right)
        last = right
    if last > first:
        yield first, last


def _trim(markdown: str, start: int, end: int) -> int:
    return start + len(markdown[start:end].rstrip())


def _trim_left(markdown: str, start: int, end: int) -> int:
    return end - len(markdown[start:end].lstrip())
