"""Finds the boxes of a piece of text on its page."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document

from deepseek_ocr_rag.records import boxes_between

__all__ = ["boxes_for"]


def boxes_for(
    document: Document, start: int | None = None, end: int | None = None
) -> list[dict[str, Any]]:
    """The boxes of a document's text, or of a part of it, on its page.

    Args:
        document: A document of this package, or a chunk of one from a splitter with
            ``add_start_index=True``.
        start: First character, as an offset into the text of the loaded document.
            By default the start of the chunk: its ``start_index``, or 0.
        end: The character after the last one; by default the end of the text.

    Returns:
        Entries of the metadata's ``boxes``: ``{kind, bbox, start, end}``, with
        ``bbox`` as ``[x0, y0, x1, y1]`` in fractions of the page, origin top
        left, and offsets into the loaded document's text. A block that is only
        partly in the text is included with its whole box.

    Example:
        >>> splitter = RecursiveCharacterTextSplitter(add_start_index=True)  # doctest: +SKIP
        >>> chunk = splitter.split_documents(loader.load())[0]  # doctest: +SKIP
        >>> boxes_for(chunk)  # doctest: +SKIP
        [{'kind': 'title', 'bbox': [0.12, 0.08, 0.88, 0.11], 'start': 0, 'end': 24}]
    """
    offset = document.metadata.get("start_index", 0)
    first = offset if start is None else start
    last = offset + len(document.page_content) if end is None else end
    return boxes_between(document.metadata, first, last)
