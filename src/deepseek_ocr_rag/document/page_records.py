"""Turns pages into records for vector stores: text with metadata and an id.

LangChain and LlamaIndex documents share the metadata: see ``docs/reference/metadata.md``.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from ..errors import ConfigurationError, DeepSeekOCRError
from ..text.visible import storable
from .box_search import boxes_between, pack_text
from .headings import HEADING_KINDS
from .types import Block, FinishReason, OcrDocument, Page

__all__ = [
    "OnError",
    "Record",
    "Split",
    "box_entries",
    "boxes_between",
    "document_record",
    "page_records",
    "page_wanted",
    "storable_values",
    "text_of_boxes",
]

Split = Literal["page", "block", "document"]
"""The unit of a record: a page, a block of its layout, or the whole document."""

OnError = Literal["keep", "raise", "skip"]
"""What to do with a page that could not be read: keep it as a record without text that
holds the error, raise an exception, or skip it."""

_NAMESPACE = uuid.UUID("6f0d1a3c-6f1e-5d39-9a55-0c3c7f6d2b41")
_UNKNOWN: Final[Mapping[str, str | float]] = {
    "error": "",
    "warnings": "[]",
    "spans": "[]",
    "boxes_text": "",
    "confidence": -1.0,
    "corrected": False,
}
"""The values in flat metadata for keys that are unknown or do not apply."""
_WORST_FIRST: tuple[FinishReason, ...] = ("error", "repetition", "length", "stop", "blank")


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of text for a store.

    Attributes:
        id: A UUID made from the source, the split, the page and the block's
            index on it. Reading the same source again gives the same ids, even
            if the text differs, so that stores replace records and do not
            duplicate them.
        text: Markdown.
        metadata: See ``docs/reference/metadata.md``.
        parent: For a chunk, the id of the record in which it begins; else None.
    """

    id: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", storable(self.text))
        object.__setattr__(self, "metadata", storable_values(self.metadata))

    def flat(self) -> Record:
        """Returns a copy whose metadata holds scalars only, under the same keys in every record.

        For stores that refuse nested values, such as Chroma, or keys that the first record
        lacks, such as LanceDB. Every list becomes JSON text. ``error`` is "" where there is
        none, ``confidence`` is -1 where it is unknown.
        """
        flat = {
            key: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
            for key, value in self.metadata.items()
        }
        return replace(self, metadata=_ordered({**_UNKNOWN, **flat}) if "boxes" in flat else flat)


def page_records(
    page: Page,
    *,
    source: str,
    total_pages: int,
    split: Literal["page", "block"] = "page",
    identity: str | None = None,
) -> Iterator[Record]:
    """Makes the records of one page.

    Args:
        page: The page.
        source: The name of its document.
        total_pages: Number of pages in the file.
        split: One record for the page, or one for each block with text. A page
            without text is always one record, so that no page is lost.
        identity: What the ids are made from instead of ``source``, for example
            the hash of bytes that have no name.

    Yields:
        Records in reading order, at least one.
    """
    number = str(page.number)
    common = _metadata(page, source, total_pages)
    blocks = [block for block in page.blocks if block.text.strip()] if split == "block" else []
    if not blocks:
        boxes = [entry for block in page.blocks for entry in box_entries(block, *block.span)]
        metadata = {**common, "boxes": boxes, "section": _section(page.blocks)}
        metadata |= {**_confidence(page), **_corrected(page.corrected)}
        metadata |= text_of_boxes(boxes, page.markdown)
        yield Record(_id(identity or source, split, number, ""), page.markdown, _ordered(metadata))
        return
    for index, block in enumerate(blocks):
        boxes = box_entries(block, 0, len(block.text))
        metadata = {**common, "boxes": boxes, "section": " > ".join(block.section)}
        metadata |= {**_confidence(block), **_corrected(block.original is not None)}
        yield Record(
            _id(identity or source, split, number, str(index)), block.text, _ordered(metadata)
        )


def document_record(document: OcrDocument, *, identity: str | None = None) -> Record:
    """Makes one record of all pages that were read, joined as in :meth:`OcrDocument.to_markdown`.

    Its finish reason is the worst of its pages', and errors and warnings name their page.
    Another selection of pages gives another id.

    Args:
        document: The document, with at least one page.
        identity: What the id is made from instead of the source.

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
            start, end = block.span[0] + offset, block.span[1] + offset
            boxes += [
                {**entry, "page": page.number - 1} for entry in box_entries(block, start, end)
            ]
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
    text = "\n\n".join(parts)
    metadata |= _corrected(any(page.corrected for page in pages))
    metadata |= text_of_boxes(boxes, text)
    numbers = ",".join(str(page.number) for page in pages)
    key = "" if len(pages) == document.total_pages else numbers
    return Record(
        _id(identity or document.source, "document", key, ""),
        text,
        _ordered(metadata),
    )


def page_wanted(page: Page, source: str, on_error: OnError) -> bool:
    """Whether a page becomes a record.

    Raises:
        ConfigurationError: If ``on_error`` is not one of its choices.
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
        remedy='Read it again, or continue without it: on_error="keep" or "skip".',
    )


def _metadata(page: Page, source: str, total_pages: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "source": source,
        "page": page.number - 1,
        "page_label": _label(page),
        "total_pages": total_pages,
        "backend": page.backend,
        "model": page.model,
        "resolution": page.resolution,
        "mode": page.resolution,  # its old name, for one release
        "finish_reason": page.finish_reason,
    }
    if page.error:
        metadata["error"] = page.error
    if page.warnings:
        metadata["warnings"] = list(page.warnings)
    return metadata


def _ordered(metadata: dict[str, Any]) -> dict[str, Any]:
    """Puts the keys that people look for first, because the frameworks print metadata in order."""
    front = ("source", "page", "page_label", "total_pages", "section")
    first = tuple(key for key in front if key in metadata)
    last = tuple(key for key in ("spans", "boxes", "boxes_text") if key in metadata)
    rest = [key for key in metadata if key not in (*first, *last)]
    return {key: metadata[key] for key in (*first, *rest, *last)}


def _label(page: Page) -> str:
    return page.label or str(page.number)


def _section(blocks: Iterable[Block]) -> str:
    """Finds the deepest section that holds more than half of the text.

    The section of the first block would be wrong: that block is often a running head, which still
    has the section of the page before.
    """
    sizes: Counter[tuple[str, ...]] = Counter()
    total = 0
    for block in blocks:
        if block.kind not in HEADING_KINDS:
            total += len(block.text)
            for depth in range(1, len(block.section) + 1):
                sizes[block.section[:depth]] += len(block.text)
    deepest: tuple[str, ...] = ()
    for path, size in sizes.items():
        if 2 * size > total and len(path) > len(deepest):
            deepest = path
    return " > ".join(deepest)


def box_entries(block: Block, start: int, end: int) -> list[dict[str, Any]]:
    """Makes the entries of ``boxes`` for a block at these offsets of a record's text."""
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


def text_of_boxes(boxes: Sequence[Mapping[str, Any]], text: str) -> dict[str, str]:
    """Makes the metadata by which :mod:`.box_search` later finds a part of the text.

    It is empty if every box belongs to the whole text, and so to every part of it.
    """
    whole = all((box["start"], box["end"]) == (0, len(text)) for box in boxes)
    return {} if whole else {"boxes_text": pack_text(text)}


def storable_values(metadata: Mapping[Any, Any]) -> dict[Any, Any]:
    """Copies metadata without the characters that stores refuse, in keys and values."""
    return {_storable(key): _storable(value) for key, value in metadata.items()}


def _storable(value: Any) -> Any:  # noqa: ANN401 - metadata can be anything
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_storable, value)) if type(value) in (list, tuple) else value
    return storable_values(value) if type(value) is dict else value


def _confidence(read: Page | Block) -> dict[str, float]:
    return {} if read.confidence is None else {"confidence": read.confidence}


def _corrected(is_corrected: bool) -> dict[str, bool]:
    return {"corrected": True} if is_corrected else {}


def _id(identity: str, *parts: str) -> str:
    # A path may be invalid Unicode, which uuid5 refuses.
    name = "\x1f".join((identity, *parts)).encode("utf-8", "surrogatepass").hex()
    return str(uuid.uuid5(_NAMESPACE, name))
