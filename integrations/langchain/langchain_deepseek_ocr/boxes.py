"""Finds the boxes of a piece of text on its page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document

from deepseek_ocr_rag.records import BoxSearch, boxes_between, find_boxes

from .whole_document import WholeDocument, full_metadata, whole_of

__all__ = ["boxes_for"]

logger = logging.getLogger(__name__)


def boxes_for(
    document: Document | Mapping[str, Any],
    start: int | None = None,
    end: int | None = None,
    *,
    documents: Iterable[Document] = (),
) -> list[dict[str, Any]]:
    """Return the boxes of a document's text, or of a part of it, on its page.

    A chunk's boxes are found by its text, so it may come from any splitter, with or
    without ``start_index``. Where the splitter changed more than spaces, case and
    punctuation, or where the text occurs in several places with different boxes, the
    list is empty, and the log says why.

    Args:
        document: A document of this package, or a chunk of one, from any splitter or
            store; also in the form of a dictionary, as it comes back from a message
            history or a checkpointer.
        start: First character, as an offset into the text of the loaded document.
            By default the start of the chunk.
        end: The character after the last one; by default the end of the chunk.
        documents: Where to find the whole file of which ``document`` is a chunk: only
            for files loaded with ``mode="document"``, whose chunks carry a reference
            instead of the boxes of the whole file, and only once the loaded document is
            gone from memory, as in another process.

    Returns:
        Entries of the metadata's ``boxes``: ``{kind, bbox, start, end}``, with
        ``bbox`` as ``[x0, y0, x1, y1]`` in fractions of the page, origin top
        left, and offsets into the loaded document's text. A block that is only
        partly in the text is included with its whole box.

    Example:
        >>> splitter = RecursiveCharacterTextSplitter(chunk_size=500)  # doctest: +SKIP
        >>> chunk = splitter.split_documents(loader.load())[0]  # doctest: +SKIP
        >>> boxes_for(chunk)  # doctest: +SKIP
        [{'kind': 'title', 'bbox': [0.12, 0.08, 0.88, 0.11], 'start': 0, 'end': 24}]
    """
    text, metadata = _parts(document)
    whole = document if isinstance(document, WholeDocument) else whole_of(metadata, documents)
    own = metadata if whole is None else full_metadata(whole)
    if start is not None and end is not None:
        return boxes_between(own, start, end)
    found = _search(metadata, own, text, None if whole is None else whole.page_content)
    if found.reason is not None:
        logger.warning(
            "No boxes for the text %r of %s: %s", text[:40], _name(metadata), found.reason
        )
    if start is None and end is None:
        return list(found.entries)
    first, last = (found.start if start is None else start), (found.end if end is None else end)
    return [] if first is None or last is None else boxes_between(own, first, last)


def _parts(document: Document | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(document, Document):
        return document.page_content, document.metadata
    values = document.get("kwargs", document)  # LangChain's own JSON has the fields in "kwargs"
    return str(values.get("page_content", "")), values.get("metadata") or {}


def _search(
    metadata: Mapping[str, Any], own: Mapping[str, Any], text: str, original: str | None
) -> BoxSearch:
    if original is None and "layout" in metadata and not metadata.get("boxes"):
        return BoxSearch(
            reason="the file was loaded whole, and that document is no longer in memory. "
            "Pass it: boxes_for(chunk, documents=[...])"
        )
    return find_boxes(own, text, original=original)


def _name(metadata: Mapping[str, Any]) -> str:
    page = metadata.get("page_label")
    return f"{metadata.get('source', 'a document')}" + (f", page {page}" if page else "")
