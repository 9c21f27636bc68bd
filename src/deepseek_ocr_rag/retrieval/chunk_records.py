"""Cuts records of pages into records of chunks, for the stores of both frameworks.

``docs/reference/metadata.md`` describes their metadata.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from ..document.box_search import is_box_entry, is_span_entry, relocated
from ..document.headings import HEADING_KINDS, Headings, with_sections
from ..document.markdown import heading_level, markdown_parts
from ..document.page_records import Record, box_entries, text_of_boxes
from ..document.paragraphs import PARAGRAPH_BREAK
from ..document.types import Block, Box, OcrDocument, Page
from ..text.splitting import CountTokens
from ..text.token_count import estimate_tokens
from .chunking import Chunk, ChunkPiece, check_budget, chunk_document

__all__ = ["record_chunk", "split_records"]

_NAMESPACE = uuid.UUID("b5c9e3c2-37a5-5f5e-8f0d-0d1f2c1f6a84")
_PAGE_ONLY_KEYS = frozenset({"boxes", "boxes_text", "spans", "confidence", "start_index"})
"""Metadata of a page that does not apply to a part of it."""


def split_records(
    records: Iterable[Record], *, max_tokens: int = 400, count_tokens: CountTokens = estimate_tokens
) -> Iterator[Record]:
    """Cut records by layout, as :func:`chunk_document` cuts a document.

    Consecutive records of one source are cut together, so that a paragraph may run
    over a page break. Metadata may be flat or nested. A record that did not come from
    this package is cut by its Markdown, and its chunks have no boxes.

    Args:
        records: Records of pages, blocks or whole documents, in page order.
        max_tokens: Budget for a chunk, see :func:`chunk_document`.
        count_tokens: Counts the tokens of a text; by default an estimate.

    Returns:
        The chunks, lazily. A chunk's id derives from the id of the record in which the
        chunk begins and from its number among those that begin there, so cutting
        the same records again gives the same ids. A record without an id (``""``) gives
        chunks without ids; a record without text gives no chunk.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.
    """
    check_budget(max_tokens)
    return _split(records, max_tokens, count_tokens)


def record_chunk(record: Record) -> Chunk:
    """Turn a record that is already cut, or came back from a store, into one chunk.

    The text stays unchanged, with one piece per block. Metadata may be flat or nested, of this
    package or of others. If another splitter cut the record, its boxes are those that its text
    has in the text of the page (:mod:`~deepseek_ocr_rag.document.box_search`).
    """
    metadata = relocated(record.metadata, record.text)
    pieces = [
        ChunkPiece(
            page=page.number,
            kind=block.kind,
            span=(page.start + block.span[0], page.start + block.span[1]),
            offset=page.offset + block.span[0],
            boxes=block.boxes,
            confidence=block.confidence,
        )
        for page in _page_texts(replace(record, metadata=metadata))
        for block in page.blocks
    ]
    return Chunk(
        text=record.text,
        source=str(metadata.get("source", "")),
        pieces=tuple(pieces) or (ChunkPiece(_page_number(metadata), "", (0, len(record.text)), 0),),
        section=_section(record),
    )


def _section(record: Record) -> tuple[str, ...]:
    section = record.metadata.get("section")
    return tuple(section.split(" > ")) if isinstance(section, str) and section else ()


def _split(
    records: Iterable[Record], max_tokens: int, count_tokens: CountTokens
) -> Iterator[Record]:
    for page_texts in _documents(records):
        pages = _pages(page_texts)
        source = str(page_texts[0].record.metadata.get("source", ""))
        document = OcrDocument(source, pages, len(pages))
        chunks = chunk_document(document, max_tokens=max_tokens, count_tokens=count_tokens)
        numbers: Counter[str] = Counter()
        by_number = {page.number: page for page in reversed(page_texts)}
        for chunk in chunks:
            first = by_number[chunk.pages[0]].record
            yield _record(chunk, first, by_number, numbers[first.id])
            numbers[first.id] += 1


@dataclass(slots=True)
class _PageText:
    """The text of one page: a whole record, a part of a record, or several records joined."""

    record: Record  # the first record that it comes from
    number: int  # 1-based
    label: str
    text: str  # Markdown
    blocks: list[Block]  # with spans in the text and without sections
    partial: bool  # whether it has only some blocks of the page, so that more may be added
    offset: int = 0  # where the text begins in the record's text
    start: int = 0  # where the text begins in the page's Markdown

    @property
    def source(self) -> object:
        """The name of its document, None if unknown."""
        return self.record.metadata.get("source")

    def precedes(self, other: _PageText) -> bool:
        """Whether the other is a later page of the same document."""
        return (
            self.source is not None and self.source == other.source and self.number < other.number
        )

    def shares_page(self, other: _PageText) -> bool:
        """Whether both hold blocks of one page."""
        same = (self.source, self.number) == (other.source, other.number)
        return same and self.source is not None and self.partial and other.partial

    def add(self, other: _PageText) -> None:
        start = len(self.text) + len(PARAGRAPH_BREAK)
        self.text += PARAGRAPH_BREAK + other.text
        self.blocks += [
            replace(block, span=(block.span[0] + start, block.span[1] + start))
            for block in other.blocks
        ]


def _documents(records: Iterable[Record]) -> Iterator[list[_PageText]]:
    pages: list[_PageText] = []
    for page in (page for record in records for page in _page_texts(record)):
        if pages and pages[-1].shares_page(page):
            pages[-1].add(page)
            continue
        if pages and not pages[-1].precedes(page):
            yield pages
            pages = []
        pages.append(page)
    if pages:
        yield pages


def _page_texts(record: Record) -> Iterator[_PageText]:
    record = replace(record, metadata=relocated(record.metadata, record.text))
    metadata, text = record.metadata, record.text
    boxes = _entries(metadata, "boxes", is_box_entry)
    spans = _entries(metadata, "spans", is_span_entry)
    if not spans:
        number = _page_number(metadata)
        label = str(metadata.get("page_label") or number)
        partial = "boxes" in metadata and all(
            (box["start"], box["end"]) == (0, len(text)) for box in boxes
        )
        yield _PageText(record, number, label, text, list(_blocks(text, boxes)), partial)
    for span in spans:
        offset = span["offset"]
        part = text[offset : offset + span["end"] - span["start"]]
        inside = [
            {**box, "start": box["start"] - offset, "end": box["end"] - offset}
            for box in boxes
            if box.get("page") == span["page"]
        ]
        number = span["page"] + 1
        label = str(span.get("page_label") or number)
        blocks = list(_blocks(part, inside))
        yield _PageText(record, number, label, part, blocks, True, offset, span["start"])


def _entries(
    metadata: Mapping[str, Any], key: str, is_ours: Callable[[Any], bool]
) -> list[dict[str, Any]]:
    """A list from the metadata, flat or nested; empty if not of the form that this package writes."""
    value = metadata.get(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return value if isinstance(value, list) and all(map(is_ours, value)) else []


def _page_number(metadata: Mapping[str, Any]) -> int:
    page = metadata.get("page")
    return page + 1 if isinstance(page, int) else 1


def _blocks(markdown: str, boxes: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    """Blocks from the boxes, and from the Markdown between them."""
    by_block: dict[tuple[int, int, str], list[Mapping[str, Any]]] = {}
    for entry in boxes:
        by_block.setdefault((entry["start"], entry["end"], entry["kind"]), []).append(entry)
    position = 0
    for (start, end, kind), entries in sorted(by_block.items(), key=lambda item: item[0][:2]):
        if position <= start <= end <= len(markdown):
            yield from _plain(markdown, position, start)
            position = end
            yield Block(
                kind,
                markdown[start:end],
                tuple(Box.clamped(*entry["bbox"]) for entry in entries),
                (start, end),
                confidence=entries[0].get("confidence"),
            )
    yield from _plain(markdown, position, len(markdown))


def _plain(markdown: str, start: int, end: int) -> Iterator[Block]:
    for kind, _, _, first, last in markdown_parts(markdown[start:end]):
        span = (start + first, start + last)
        yield Block(kind, markdown[slice(*span)], span=span)


def _pages(page_texts: Sequence[_PageText]) -> tuple[Page, ...]:
    headings = _headings_above(page_texts[0])
    pages = []
    for page in page_texts:
        blocks, headings = with_sections(page.blocks, headings)
        pages.append(Page(page.number, page.text, blocks))
    return tuple(pages)


def _headings_above(page: _PageText) -> Headings:
    """The headings above the page's first block, as far as the record knows them."""
    own = {
        line[heading_level(line) :].strip()
        for block in page.blocks
        if block.kind in HEADING_KINDS
        for line in block.text.split("\n")
    }
    above = takewhile(lambda title: title not in own, _section(page.record))
    return tuple(enumerate(above, start=1))


def _record(chunk: Chunk, first: Record, pages: Mapping[int, _PageText], number: int) -> Record:
    identity = str(uuid.uuid5(_NAMESPACE, f"{first.id}\x1f{number}")) if first.id else ""
    metadata = deepcopy({k: v for k, v in first.metadata.items() if k not in _PAGE_ONLY_KEYS})
    metadata["section"] = " > ".join(chunk.section)
    if "boxes" not in first.metadata:
        return Record(identity, chunk.text, metadata, parent=first.id)
    labels = dict.fromkeys(pages[page].label for page in (chunk.pages[0], chunk.pages[-1]))
    metadata["page"] = chunk.page - 1
    metadata["page_label"] = "-".join(labels)
    metadata["spans"] = [
        {
            "page": piece.page - 1,
            "start": piece.span[0],
            "end": piece.span[1],
            "offset": piece.offset,
        }
        for piece in chunk.pieces
        if piece.end > piece.offset
    ]
    metadata["boxes"] = [
        {**entry, "page": piece.page - 1}
        for piece in chunk.pieces
        for entry in box_entries(_block(piece), piece.offset, piece.end)
    ]
    metadata |= text_of_boxes(metadata["boxes"], chunk.text)
    record = Record(identity, chunk.text, metadata, parent=first.id)
    return record.flat() if isinstance(first.metadata["boxes"], str) else record


def _block(piece: ChunkPiece) -> Block:
    return Block(piece.kind, "", piece.boxes, confidence=piece.confidence)
