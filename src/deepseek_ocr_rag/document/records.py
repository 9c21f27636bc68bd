"""Records: text with metadata and an id, the form in which stores of both frameworks take pages.

The metadata of a record, which LangChain and LlamaIndex documents share:

===============  ==========================================================
``source``       what the document is called
``page``         0-based page number (the first one of a whole document)
``page_label``   the printed label, or the 1-based number, as text
``total_pages``  how many pages the file has
``boxes``        list of ``{kind, bbox, start, end}``: ``bbox`` is
                 ``[x0, y0, x1, y1]`` in fractions of the page, origin top
                 left; ``start`` and ``end`` are offsets into the record's
                 text. One entry for every box, so a paragraph over two
                 columns has two with the same offsets. In a whole document
                 each entry has its 0-based ``page`` as well; where it is known,
                 each has the ``confidence`` of its block, 0..1.
``spans``        only of a whole document: list of ``{page, page_label, start, end,
                 offset}``, which part of which 0-based page's text stands at
                 which offset of the record's
``section``      the headings that a block stands under, or more than half of
                 the text of a page or document; joined by " > "
``backend``      who read it: lite, ollama, server, ...
``model``        which model
``mode``         resolution mode: tiny, small, base, large, gundam
``finish_reason``  stop, length, repetition, blank, error
``confidence``   of the page or block, 0..1; only where it is known, and not
                 of a whole document
``error``        only where the page failed: why
``warnings``     only where there are any: list of text
===============  ==========================================================
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ..errors import ConfigurationError, DeepSeekOCRError
from .types import Block, FinishReason, OcrDocument, Page

__all__ = [
    "OnError",
    "Record",
    "Split",
    "boxes_between",
    "document_record",
    "page_records",
    "page_wanted",
]

Split = Literal["page", "block", "document"]
"""What becomes one record: a page, a block of its layout, or the whole document."""

OnError = Literal["keep", "raise", "skip"]
"""What becomes of a page that could not be read: a record without text that
has the error, an exception, or nothing."""

_NAMESPACE = uuid.UUID("6f0d1a3c-6f1e-5d39-9a55-0c3c7f6d2b41")
_HEADINGS = frozenset({"title", "sub_title"})
_WORST_FIRST: tuple[FinishReason, ...] = ("error", "repetition", "length", "stop", "blank")


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of text for a store.

    Attributes:
        id: A UUID made of the source, the split, the page and the block's
            place on it. Reading the same source again gives the same ids,
            whatever the text has become: stores replace instead of doubling.
        text: Markdown.
        metadata: As in the table above.
        parent: Of a chunk, the id of the record on which it begins.
    """

    id: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None

    def flat(self) -> Record:
        """The same with scalars only: every list in the metadata becomes JSON text.

        For stores that refuse nested values, such as Chroma.
        """
        flat = {
            key: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
            for key, value in self.metadata.items()
        }
        return replace(self, metadata=flat)


def page_records(
    page: Page,
    *,
    source: str,
    total_pages: int,
    split: Literal["page", "block"] = "page",
    identity: str | None = None,
) -> Iterator[Record]:
    """The records of one page.

    Split into blocks, pictures are left out, for they have no text; a page
    without any text is still one record, so that no page is lost.

    Args:
        page: The page.
        source: What its document is called.
        total_pages: How many pages the file has.
        split: One record for the page, or one for each block with text.
        identity: What the ids are made of instead of ``source``: for bytes
            without a name, their hash.

    Yields:
        Records in reading order, at least one.
    """
    number = str(page.number)
    common = _metadata(page, source, total_pages)
    blocks = [block for block in page.blocks if block.text.strip()] if split == "block" else []
    if not blocks:
        boxes = [entry for block in page.blocks for entry in _boxes(block, *block.span)]
        metadata = {**common, "boxes": boxes, "section": _section(page.blocks)}
        metadata |= _confidence(page)
        yield Record(_id(identity or source, split, number, ""), page.markdown, _ordered(metadata))
        return
    for index, block in enumerate(blocks):
        boxes = _boxes(block, 0, len(block.text))
        metadata = {**common, "boxes": boxes, "section": " > ".join(block.section)}
        metadata |= _confidence(block)
        yield Record(
            _id(identity or source, split, number, str(index)), block.text, _ordered(metadata)
        )


def document_record(document: OcrDocument, *, identity: str | None = None) -> Record:
    """One record for all pages that were read, joined as in :meth:`OcrDocument.to_markdown`.

    Its finish reason is the worst of its pages; errors and warnings name their
    page. Its id covers the selection of pages.

    Args:
        document: At least one page.
        identity: What the id is made of instead of the source.

    Raises:
        ConfigurationError: If the document has no pages.
    """
    pages = document.pages
    if not pages:
        raise ConfigurationError(
            "no pages were read", source=document.source, remedy="Select at least one page."
        )
    boxes: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    parts: list[str] = []
    offset = 0
    for page in pages:
        for block in page.blocks:
            place = (block.span[0] + offset, block.span[1] + offset)
            boxes += [{**entry, "page": page.number - 1} for entry in _boxes(block, *place)]
        if page.markdown:
            span = {"page": page.number - 1, "page_label": _label(page)}
            spans.append({**span, "start": 0, "end": len(page.markdown), "offset": offset})
            parts.append(page.markdown)
            offset += len(page.markdown) + 2
    first, last = pages[0], pages[-1]
    reasons = {page.finish_reason for page in pages}
    metadata = {
        **_metadata(first, document.source, document.total_pages),
        "page_label": _label(first) if first is last else f"{_label(first)}-{_label(last)}",
        "boxes": boxes,
        "spans": spans,
        "section": _section(block for page in pages for block in page.blocks),
        "finish_reason": next(reason for reason in _WORST_FIRST if reason in reasons),
    }
    errors = [f"page {page.number}: {page.error}" for page in pages if page.error]
    warnings = [f"page {page.number}: {text}" for page in pages for text in page.warnings]
    metadata.pop("error", None)
    metadata.pop("warnings", None)
    if errors:
        metadata["error"] = "; ".join(errors)
    if warnings:
        metadata["warnings"] = warnings
    numbers = ",".join(str(page.number) for page in pages)
    key = "" if len(pages) == document.total_pages else numbers
    return Record(
        _id(identity or document.source, "document", key, ""),
        "\n\n".join(parts),
        _ordered(metadata),
    )


def page_wanted(page: Page, source: str, on_error: OnError) -> bool:
    """Whether a page goes on into a store.

    Raises:
        ConfigurationError: If ``on_error`` is none of the three.
        DeepSeekOCRError: If the page failed and ``on_error`` is "raise".
    """
    if on_error not in get_args(OnError):
        raise ConfigurationError(
            f"on_error cannot be {on_error!r}",
            remedy=f"Choose one of {', '.join(get_args(OnError))}.",
        )
    if page.ok or on_error == "keep":
        return True
    if on_error == "skip":
        return False
    raise DeepSeekOCRError(
        f"the page could not be read ({page.error})",
        source=source,
        page=page.number,
        remedy='Read it again, or go on without it: on_error="keep" or "skip".',
    )


def boxes_between(metadata: Mapping[str, Any], start: int, end: int) -> list[dict[str, Any]]:
    """The entries of ``metadata["boxes"]`` that lie in a part of the record's text.

    A picture has no text; it counts where its place is inside the part or at
    its edge.

    Args:
        metadata: Of a record, flat or not, or of a chunk that inherited it.
        start: First character of the part, in the record's text.
        end: The character behind its last one.
    """
    boxes = metadata.get("boxes") or []
    entries: list[dict[str, Any]] = json.loads(boxes) if isinstance(boxes, str) else list(boxes)
    return [
        entry
        for entry in entries
        if (entry["start"] < end and start < entry["end"])
        or (entry["start"] == entry["end"] and start <= entry["start"] <= end)
    ]


def _metadata(page: Page, source: str, total_pages: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "source": source,
        "page": page.number - 1,
        "page_label": _label(page),
        "total_pages": total_pages,
        "backend": page.backend,
        "model": page.model,
        "mode": page.mode,
        "finish_reason": page.finish_reason,
    }
    if page.error:
        metadata["error"] = page.error
    if page.warnings:
        metadata["warnings"] = list(page.warnings)
    return metadata


def _ordered(metadata: dict[str, Any]) -> dict[str, Any]:
    """What people look for first comes first: the frameworks print metadata in order."""
    first = ("source", "page", "page_label", "total_pages", "section")
    last = tuple(key for key in ("spans", "boxes") if key in metadata)
    rest = [key for key in metadata if key not in (*first, *last)]
    return {key: metadata[key] for key in (*first, *rest, *last)}


def _label(page: Page) -> str:
    return page.label or str(page.number)


def _section(blocks: Iterable[Block]) -> str:
    """The deepest headings that more than half of the text stands under.

    Not those of the first block: that is often a running header, which still
    counts under the last heading of the page before.
    """
    sizes: Counter[tuple[str, ...]] = Counter()
    total = 0
    for block in blocks:
        if block.kind not in _HEADINGS:
            total += len(block.text)
            for depth in range(1, len(block.section) + 1):
                sizes[block.section[:depth]] += len(block.text)
    deepest: tuple[str, ...] = ()
    for path, size in sizes.items():
        if 2 * size > total and len(path) > len(deepest):
            deepest = path
    return " > ".join(deepest)


def _boxes(block: Block, start: int, end: int) -> list[dict[str, Any]]:
    return [
        {
            "kind": block.kind,
            "bbox": [round(value, 6) for value in box.as_tuple()],
            "start": start,
            "end": end,
            **_confidence(block),
        }
        for box in block.boxes
    ]


def _confidence(read: Page | Block) -> dict[str, float]:
    return {} if read.confidence is None else {"confidence": read.confidence}


def _id(identity: str, *parts: str) -> str:
    # A path need not be valid Unicode, and uuid5 by itself would refuse such a name.
    name = "\x1f".join((identity, *parts)).encode("utf-8", "surrogatepass").hex()
    return str(uuid.uuid5(_NAMESPACE, name))
