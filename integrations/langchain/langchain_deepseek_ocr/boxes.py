"""From a piece of text back to its place on the page."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document

from deepseek_ocr_rag.records import boxes_between

__all__ = ["boxes_for"]


def boxes_for(
    document: Document, start: int | None = None, end: int | None = None
) -> list[dict[str, Any]]:
    """Where a document's text, or a part of it, stands on its page.

    Args:
        document: A document of this package, or a chunk that a splitter with
            ``add_start_index=True`` made of one.
        start: First character, as an offset into the text of the document
            that was loaded. Without it, where the chunk begins: its
            ``start_index``, or 0.
        end: The character behind the last one. Without it, the end of the text.

    Returns:
        Entries of the metadata's ``boxes``: ``{kind, bbox, start, end}``, with
        ``bbox`` as ``[x0, y0, x1, y1]`` in fractions of the page, origin top
        left, and offsets into the loaded document's text. A block that only
        in part lies in the text is among them, with its whole box.

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
