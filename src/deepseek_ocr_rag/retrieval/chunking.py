"""Pages cut for retrieval, by layout and not by characters.

A :class:`Chunk` is a run of blocks under one heading, up to a budget of tokens.
Headings stay with what follows them, captions with their figure or table, and the
parts of a long table each repeat its head. Paragraphs that run over a column or
page are whole again, and page furniture is left out. What a chunk says can be
traced: it is made of :class:`ChunkPiece` objects, each an exact slice of one page's
Markdown with its boxes.

A chunk ends with its page, unless the text runs on: a paragraph that is cut by the
page's end, or a heading at its foot, takes the next page's text with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from ..document.paragraphs import PARAGRAPH_BREAK, document_flow
from ..document.types import Box, OcrDocument
from ..errors import ConfigurationError
from ..text.splitting import CountTokens
from ..text.token_count import estimate_tokens
from .chunk_units import ChunkUnit, UnitCutter

__all__ = ["Chunk", "ChunkPiece", "check_budget", "chunk_document"]


@dataclass(frozen=True, slots=True)
class ChunkPiece:
    """A slice of one page that stands, unchanged, in a chunk.

    Attributes:
        page: 1-based page number.
        kind: The kind of its block.
        span: ``(start, end)`` in the page's Markdown.
        offset: Where it begins in the chunk's text; it ends as many characters
            later as ``span`` is long. A picture has no text: its span is empty.
        boxes: Those of its block.
        repeated: Whether an earlier chunk has it too: the head or the caption of
            a long table, which stand in each of its parts.
        confidence: That of its block, 0..1; None where it is not known.
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
    """Text for retrieval that knows where it stands.

    Attributes:
        text: Its pieces, with empty lines between blocks.
        source: The document.
        pieces: What it is made of, in the order of the text.
        section: The headings that all of it stands under, outermost first.
    """

    text: str
    source: str
    pieces: tuple[ChunkPiece, ...]
    section: tuple[str, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages on which its own text (what it does not repeat) stands, 1-based, in order."""
        return tuple(dict.fromkeys(p.page for p in self.pieces if not p.repeated))

    @property
    def page(self) -> int:
        """The page on which most of its own text stands, for those who name only one."""
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
    document: OcrDocument,
    *,
    max_tokens: int = 400,
    count_tokens: CountTokens = estimate_tokens,
) -> tuple[Chunk, ...]:
    """Cut a document into chunks, in reading order.

    Args:
        document: What was read; pages without text give no chunk.
        max_tokens: Budget for a chunk's text. Captions and the head of a table may
            exceed it: where they are long, their rows still get half of it.
        count_tokens: Tokens of a text: your embedding model's tokenizer, or
            ``len`` for a budget in characters. Without it an estimate that no
            tokenizer in use exceeds by much, see :func:`estimate_tokens`.

    Returns:
        The chunks. Every non-space character of every block that is no page
        furniture is in at least one, but for the hyphen of a word that a column
        or page divides. Running heads and feet that no label tells are in the
        chunk of the first page that has them.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.
    """
    check_budget(max_tokens)
    packer = _Packer(document.source, max_tokens)
    cutter = UnitCutter(count_tokens)
    gap = count_tokens(PARAGRAPH_BREAK)
    for item in document_flow(document):
        lead = packer.lead
        for unit in cutter.cut(item, max_tokens - lead - gap if lead else max_tokens):
            packer.add(unit)
    return packer.finish()


def check_budget(max_tokens: int) -> None:
    """Refuse a budget that leaves no room for a heading and a sentence.

    Raises:
        ConfigurationError: If it is below 16.
    """
    if max_tokens < 16:
        raise ConfigurationError(
            f"a chunk of {max_tokens} tokens is too short", remedy="Take at least 16."
        )


class _Packer:
    """Packs units into chunks, as they come."""

    def __init__(self, source: str, budget: int) -> None:
        self._source = source
        self._budget = budget
        self._units: list[ChunkUnit] = []
        self._size = 0
        self._chunks: list[Chunk] = []

    @property
    def lead(self) -> int:
        """Tokens of the headings that wait for what they stand above."""
        return sum(unit.size for unit in self._units[self._body() :])

    def add(self, unit: ChunkUnit) -> None:
        last = self._units[-1].last_page if self._units else unit.first_page
        turned = unit.first_page != last
        full = self._size + unit.size > self._budget
        # A heading opens a chunk, unless what stands before it is still a scrap.
        opens = unit.heading and self._size >= self._budget // 4
        if full or opens or turned:
            self._close(self._body())
        # A heading at the foot of a page goes with what follows on the next, if that has none.
        if turned and (unit.heading or unit.first_page != last + 1):
            self._close(len(self._units))
        self._units.append(unit)
        self._size += unit.size

    def finish(self) -> tuple[Chunk, ...]:
        self._close(len(self._units))
        return tuple(self._chunks)

    def _body(self) -> int:
        """How many units a chunk would end with: headings go with what follows them."""
        length, size = len(self._units), 0
        while length and self._units[length - 1].heading:
            length -= 1
            size += self._units[length].size
        # So many headings in a row are no headings.
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
    return Chunk(text, source, tuple(pieces), _common(sections))


def _common(sections: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that all of them begin with."""
    shared = sections[0]
    for section in sections[1:]:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(shared, section, strict=False))
        shared = tuple(title for title, _ in same)
    return shared
