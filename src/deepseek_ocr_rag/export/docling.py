"""A document as a ``DoclingDocument``, so that docling's chunkers and tools work on it.

Needs ``docling-core``, the extra ``[docling]``. Conventions:

* Boxes are in points from the top left. Pages of unknown size count as 1000 by 1000.
* A paragraph over columns or pages is one item with a provenance for each part.
* A heading with one ``#`` is a title, one with more a section header a level
  below, as docling reads Markdown and HTML.
* Page furniture is in docling's furniture layer.
* Failed and blank pages are pages without items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..document.types import OcrDocument
from ..errors import MissingExtraError

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument

__all__ = ["to_docling"]


def to_docling(document: OcrDocument) -> DoclingDocument:
    """Convert a document for docling.

    Args:
        document: What was read.

    Returns:
        The same as docling sees it: pages with sizes, texts in reading order,
        tables with cells and spans, pictures, captions with what they belong
        to, each with its boxes.

    Raises:
        MissingExtraError: If ``docling-core`` is not installed.

    Example:
        >>> from docling_core.transforms.chunker import HierarchicalChunker  # doctest: +SKIP
        >>> chunks = HierarchicalChunker().chunk(to_docling(document))  # doctest: +SKIP
    """
    try:
        from .docling_items import DoclingWriter
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("docling_core"):
            raise
        raise MissingExtraError(
            "the conversion needs docling-core",
            remedy='Run: pip install "deepseek-ocr-rag[docling]"',
        ) from error
    return DoclingWriter(document).write()
