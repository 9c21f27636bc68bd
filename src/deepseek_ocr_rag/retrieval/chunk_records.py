"""Records of pages cut into records of chunks, for the stores of both frameworks.

A chunk's metadata are those of the page on which it begins, but for:

==============  ===========================================================
``page``        0-based number of the page with most of its text
``page_label``  the label of its page, or those of its first and last one,
                joined by a hyphen
``section``     the headings that all of it stands under, joined by " > "
``boxes``       as of a whole document: ``start`` and ``end`` are offsets
                into the chunk's text, and each entry has its ``page``
``spans``       list of ``{page, start, end, offset}``: which part of which
                page's text stands at which offset of the chunk's
==============  ===========================================================
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

from ..document.headings import HEADING_KINDS, Headings, with_sections
from ..document.markdown import heading_level, markdown_parts
from ..document.paragraphs import PARAGRAPH_BREAK
from ..document.records import Record
from ..document.types import Block, Box, OcrDocument, Page
from ..text.splitting import CountTokens
from ..text.token_count import estimate_tokens
from .chunking import Chunk, ChunkPiece, check_budget, chunk_document

__all__ = ["record_chunk", "split_records"]

_NAMESPACE = uuid.UUID("b5c9e3c2-37a5-5f5e-8f0d-0d1f2c1f6a84")
_OF_PAGES = frozenset({"boxes", "spans", "confidence", "start_index"})
"""Metadata that are not true of a part."""


def split_records(
    records: Iterable[Record],
    *,
    max_tokens: int = 400,
    count_tokens: CountTokens = estimate_tokens,
) -> Iterator[Record]:
    """Cut records by layout, as :func:`chunk_document` cuts a document.

    Records of one source that follow each other are cut together, so that a
    paragraph may run over a page. They may be flat. A record that did not come
    from this package is cut by its Markdown, and its chunks have no boxes.

    Args:
        records: Of pages, blocks or whole documents, in the order of the pages.
        max_tokens: Budget for a chunk, see :func:`chunk_document`.
        count_tokens: Tokens of a text; an estimate without it.

    Returns:
        The chunks, made as they are asked for. Their ids are made of the id of
        the record on which they begin and their place among those that do:
        cutting the same records again gives the same ids. A record without an
        id (``""``) gives chunks without, one without text gives none.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.
    """
    check_budget(max_tokens)
    return _split(records, max_tokens, count_tokens)


def record_chunk(record: Record) -> Chunk:
    """A record as one chunk: what was cut already, or what a store gave back.

    Args:
        record: Flat or not, with the metadata of this package or others. Boxes are
            left out of a part that another splitter has cut (with ``start_index``).

    Returns:
        Its text as it is; a piece for each block.
    """
    metadata = record.metadata
    if "start_index" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "boxes"}
    pieces = [
        ChunkPiece(
            page=sheet.number,
            kind=block.kind,
            span=(sheet.start + block.span[0], sheet.start + block.span[1]),
            offset=sheet.offset + block.span[0],
            boxes=block.boxes,
            confidence=block.confidence,
        )
        for sheet in _sheets(replace(record, metadata=metadata))
        for block in sheet.blocks
    ]
    page = metadata.get("page")
    number = page + 1 if isinstance(page, int) else 1
    section = metadata.get("section")
    return Chunk(
        text=record.text,
        source=str(metadata.get("source", "")),
        pieces=tuple(pieces) or (ChunkPiece(number, "", (0, len(record.text)), 0),),
        section=tuple(section.split(" > ")) if isinstance(section, str) and section else (),
    )


def _split(
    records: Iterable[Record], max_tokens: int, count_tokens: CountTokens
) -> Iterator[Record]:
    for sheets in _documents(records):
        pages = _pages(sheets)
        source = str(sheets[0].record.metadata.get("source", ""))
        document = OcrDocument(source, pages, len(pages))
        chunks = chunk_document(document, max_tokens=max_tokens, count_tokens=count_tokens)
        numbers: Counter[str] = Counter()
        by_number = {sheet.number: sheet for sheet in reversed(sheets)}
        for chunk in chunks:
            first = by_number[chunk.pages[0]].record
            yield _record(chunk, first, by_number, numbers[first.id])
            numbers[first.id] += 1


@dataclass(slots=True)
class _Sheet:
    """One page's text, from one record, a part of one, or several.

    Attributes:
        record: The first that it is of.
        number: The page's 1-based number.
        label: Its label.
        text: Its Markdown.
        blocks: With spans in that; their sections are not set.
        lone: Whether it is one block, and so may be joined by more.
        offset: Where its text begins in that of the record.
        start: Where it begins in the Markdown of the page.
    """

    record: Record
    number: int
    label: str
    text: str
    blocks: list[Block]
    lone: bool
    offset: int = 0
    start: int = 0

    @property
    def source(self) -> object:
        """What its document is called, None where nobody says."""
        return self.record.metadata.get("source")

    def goes_on_in(self, other: _Sheet) -> bool:
        """Whether another is a later page of the same document."""
        return (
            self.source is not None and self.source == other.source and self.number < other.number
        )

    def is_page_of(self, other: _Sheet) -> bool:
        """Whether both are blocks of one page."""
        same = (self.source, self.number) == (other.source, other.number)
        return same and self.source is not None and self.lone and other.lone

    def add(self, other: _Sheet) -> None:
        """Append another block."""
        start = len(self.text) + len(PARAGRAPH_BREAK)
        self.text += PARAGRAPH_BREAK + other.text
        self.blocks += [
            replace(block, span=(block.span[0] + start, block.span[1] + start))
            for block in other.blocks
        ]


def _documents(records: Iterable[Record]) -> Iterator[list[_Sheet]]:
    """Sheets of one document each."""
    sheets: list[_Sheet] = []
    for sheet in (sheet for record in records for sheet in _sheets(record)):
        if sheets and sheets[-1].is_page_of(sheet):
            sheets[-1].add(sheet)
            continue
        if sheets and not sheets[-1].goes_on_in(sheet):
            yield sheets
            sheets = []
        sheets.append(sheet)
    if sheets:
        yield sheets


def _sheets(record: Record) -> Iterator[_Sheet]:
    """The pages of a record."""
    metadata, text = record.metadata, record.text
    boxes = _entries(metadata, "boxes", _is_box)
    spans = _entries(metadata, "spans", _is_span)
    if not spans:
        page = metadata.get("page")
        number = page + 1 if isinstance(page, int) else 1
        label = str(metadata.get("page_label") or number)
        lone = "boxes" in metadata and all(
            (box["start"], box["end"]) == (0, len(text)) for box in boxes
        )
        yield _Sheet(record, number, label, text, list(_blocks(text, boxes)), lone)
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
        yield _Sheet(record, number, label, part, blocks, True, offset, span["start"])


def _entries(
    metadata: Mapping[str, Any], key: str, is_ours: Callable[[Any], bool]
) -> list[dict[str, Any]]:
    """A list in the metadata, flat or not; none, where it is not as this package writes it."""
    value = metadata.get(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return value if isinstance(value, list) and all(map(is_ours, value)) else []


def _is_box(entry: Any) -> bool:  # noqa: ANN401 - metadata can be anything
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kind"), str)
        and all(isinstance(entry.get(key), int) for key in ("start", "end"))
        and isinstance(entry.get("bbox"), list)
        and len(entry["bbox"]) == 4
        and all(isinstance(value, int | float) for value in entry["bbox"])
    )


def _is_span(entry: Any) -> bool:  # noqa: ANN401 - metadata can be anything
    keys = ("page", "start", "end", "offset")
    return isinstance(entry, dict) and all(isinstance(entry.get(key), int) for key in keys)


def _blocks(markdown: str, boxes: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    """Blocks from boxes, and from the Markdown that no box covers."""
    places: dict[tuple[int, int, str], list[Mapping[str, Any]]] = {}
    for entry in boxes:
        places.setdefault((entry["start"], entry["end"], entry["kind"]), []).append(entry)
    position = 0
    for (start, end, kind), entries in sorted(places.items(), key=lambda item: item[0][:2]):
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


def _pages(sheets: Sequence[_Sheet]) -> tuple[Page, ...]:
    headings = _headings_above(sheets[0])
    pages = []
    for sheet in sheets:
        blocks, headings = with_sections(sheet.blocks, headings)
        pages.append(Page(sheet.number, sheet.text, blocks))
    return tuple(pages)


def _headings_above(sheet: _Sheet) -> Headings:
    """The headings that were in force before the page, as far as its record knows them."""
    own = {
        line[heading_level(line) :].strip()
        for block in sheet.blocks
        if block.kind in HEADING_KINDS
        for line in block.text.split("\n")
    }
    section = sheet.record.metadata.get("section")
    titles = section.split(" > ") if isinstance(section, str) and section else []
    above = takewhile(lambda title: title not in own, titles)
    return tuple(enumerate(above, start=1))


def _record(chunk: Chunk, first: Record, sheets: Mapping[int, _Sheet], number: int) -> Record:
    identity = str(uuid.uuid5(_NAMESPACE, f"{first.id}\x1f{number}")) if first.id else ""
    metadata = deepcopy({k: v for k, v in first.metadata.items() if k not in _OF_PAGES})
    metadata["section"] = " > ".join(chunk.section)
    record = Record(identity, chunk.text, metadata, parent=first.id)
    if "boxes" not in first.metadata:
        return record
    labels = dict.fromkeys(sheets[page].label for page in (chunk.pages[0], chunk.pages[-1]))
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
    metadata["boxes"] = [entry for piece in chunk.pieces for entry in _boxes(piece)]
    return record.flat() if isinstance(first.metadata["boxes"], str) else record


def _boxes(piece: ChunkPiece) -> Iterator[dict[str, Any]]:
    known = {} if piece.confidence is None else {"confidence": piece.confidence}
    for box in piece.boxes:
        yield {
            "kind": piece.kind,
            "bbox": [round(value, 6) for value in box.as_tuple()],
            "start": piece.offset,
            "end": piece.end,
            "page": piece.page - 1,
            **known,
        }
