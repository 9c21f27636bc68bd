"""Cuts documents into chunks for retrieval, by layout instead of by characters.

A :class:`Chunk` is a run of blocks under one heading, up to a budget of tokens.
Headings stay with what follows them, captions with their figure or table, and each
part of a long table repeats its head. Paragraphs split by a column or page break are
joined, and page furniture (running heads, page numbers) is left out. Every chunk can be
traced: it consists of :class:`ChunkPiece` objects, each an exact slice of one page's
Markdown with its boxes.

A chunk ends with its page, unless the text runs on: a paragraph that is split by the
page break, or a heading at the foot of the page, takes the next page's text with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from ..document.paragraphs import PARAGRAPH_BREAK, paragraphs_and_floats
from ..document.types import Box, OcrDocument
from ..errors import ConfigurationError
from ..text.splitting import CountTokens
from ..text.token_count import estimate_tokens
from .chunk_units import ChunkUnit, UnitCutter

__all__ = ["Chunk", "ChunkPiece", "check_budget", "chunk_document"]


@dataclass(frozen=True, slots=True)
class ChunkPiece:
    """A slice of one page, unchanged, in a chunk.

    Attributes:
        page: 1-based page number.
        kind: The kind of its block.
        span: ``(start, end)`` in the page's Markdown; empty for a picture.
        offset: Where it begins in the chunk's text.
        boxes: The boxes of its block.
        repeated: Whether an earlier chunk has it too: the head and captions of a long
            table are in each of its parts.
        confidence: The confidence of its block, 0..1; None if unknown.
    """

    page: int
    kind: str
    span: tuple[int, int]
    offset: int
    boxes: tuple[Box, ...] = ()
    repeated: bool = False
    confidence: float | None = None

    @property
    def end(self) -> int:
        """Where it ends in the chunk's text."""
        return self.offset + self.span[1] - self.span[0]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text for retrieval with its pages and boxes.

    Attributes:
        text: Its pieces, with empty lines between blocks.
        source: The document.
        pieces: What it consists of, in the order of the text.
        section: The headings above all of it, outermost first.
    """

    text: str
    source: str
    pieces: tuple[ChunkPiece, ...]
    section: tuple[str, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages on which its unrepeated text is, 1-based, in order."""
        return tuple(dict.fromkeys(p.page for p in self.pieces if not p.repeated))

    @property
    def page(self) -> int:
        """The page with most of its unrepeated text, for uses that need a single page."""
        sizes: Counter[int] = Counter()
        for piece in self.pieces:
            if not piece.repeated:
                sizes[piece.page] += piece.end - piece.offset
        return sizes.most_common(1)[0][0]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes of its pieces on :attr:`page`, each once."""
        return self.boxes_on(self.page)

    @property
    def span(self) -> tuple[int, int]:
        """From its first to its last character in the Markdown of :attr:`page`."""
        return self.span_on(self.page)

    def boxes_on(self, page: int) -> tuple[Box, ...]:
        """The boxes of its pieces on one of its pages (1-based), each once."""
        return tuple(dict.fromkeys(box for p in self.pieces if p.page == page for box in p.boxes))

    def span_on(self, page: int) -> tuple[int, int]:
        """From its first to its last character in the Markdown of one of its pages (1-based)."""
        spans = [piece.span for piece in self.pieces if piece.page == page]
        return min(start for start, _ in spans), max(end for _, end in spans)


def chunk_document(
    document: OcrDocument, *, max_tokens: int = 400, count_tokens: CountTokens = estimate_tokens
) -> tuple[Chunk, ...]:
    """Cut a document into chunks, in reading order.

    Args:
        document: What was read; pages without text give no chunk.
        max_tokens: Budget for a chunk's text. A table with long captions or a long head
            may exceed it, because its rows still get three quarters of the budget, but a chunk never
            has more than twice the budget.
        count_tokens: Counts the tokens of a text: your embedding model's tokenizer, or
            ``len`` for a budget in characters. By default an estimate that no
            common tokenizer exceeds by much, see :func:`estimate_tokens`.

    Returns:
        The chunks. Every non-space character of every block that is not page
        furniture is in at least one of them, except the hyphen of a word split by a
        column or page break. Running heads and feet without a label of their own
        are in the chunk of the first page that has them.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.
    """
    check_budget(max_tokens)
    packer = _Packer(document.source, max_tokens)
    cutter = UnitCutter(count_tokens)
    gap = count_tokens(PARAGRAPH_BREAK)
    for item in paragraphs_and_floats(document):
        heading_size = packer.heading_size
        for unit in cutter.cut(
            item, max_tokens - heading_size - gap if heading_size else max_tokens
        ):
            packer.add(unit)
    return packer.finish()


def check_budget(max_tokens: int) -> None:
    """Refuse a budget without room for a heading and a sentence (below 16)."""
    if max_tokens < 16:
        raise ConfigurationError(
            f"a chunk of {max_tokens} tokens is too short", remedy="Set max_tokens to 16 or more."
        )


class _Packer:
    def __init__(self, source: str, budget: int) -> None:
        self._source = source
        self._budget = budget
        self._units: list[ChunkUnit] = []
        self._size = 0
        self._chunks: list[Chunk] = []

    @property
    def heading_size(self) -> int:
        """Tokens of the trailing headings, which wait for what follows them."""
        return sum(unit.size for unit in self._units[self._body_length() :])

    def add(self, unit: ChunkUnit) -> None:
        last = self._units[-1].last_page if self._units else unit.first_page
        turned = unit.first_page != last
        whole, unit = unit, unit.below(self._units)
        full = self._size + unit.size > self._budget
        # A heading opens a new chunk unless the current one is still very short.
        opens = unit.heading and self._size >= self._budget // 4
        if full or opens or turned:
            self._close(self._body_length())
        # A heading at the foot of a page goes with the next page unless that page opens with one.
        if turned and (unit.heading or unit.first_page != last + 1):
            self._close(len(self._units))
        unit = whole if full or opens or turned else unit
        self._units.append(unit)
        self._size += unit.size

    def finish(self) -> tuple[Chunk, ...]:
        self._close(len(self._units))
        return tuple(self._chunks)

    def _body_length(self) -> int:
        """Number of units before the trailing headings and introductions, which go with what follows."""
        length, size = len(self._units), 0
        while length and (self._units[length - 1].heading or self._units[length - 1].leads_in):
            length -= 1
            size += self._units[length].size
        # Headings that fill half a chunk are not headings.
        return length if 2 * size <= self._budget else len(self._units)

    def _close(self, length: int) -> None:
        if length:
            self._chunks.append(_chunk(self._source, self._units[:length]))
            self._units = self._units[length:]
            self._size = sum(unit.size for unit in self._units)


def _chunk(source: str, units: Sequence[ChunkUnit]) -> Chunk:
    pieces: list[ChunkPiece] = []
    text = ""
    for part in (part for unit in units for part in unit.parts):
        piece, words = part.slice, part.slice.text
        text += piece.before if text and words else ""
        pieces.append(
            ChunkPiece(
                piece.page.number,
                piece.block.kind,
                (piece.start, piece.end),
                len(text),
                piece.block.boxes,
                part.repeated,
                piece.block.confidence,
            )
        )
        text += words
    body = [unit for unit in units if not unit.heading] or units
    sections = [p.slice.block.section for unit in body for p in unit.parts if not p.repeated]
    return Chunk(text, source, tuple(pieces), _common_prefix(sections))


def _common_prefix(sections: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared = sections[0]
    for section in sections[1:]:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(shared, section, strict=False))
        shared = tuple(title for title, _ in same)
    return shared
