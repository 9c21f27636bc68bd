"""Converts a document to a ``DoclingDocument`` for docling's chunkers and tools.

Needs ``docling-core`` (the extra ``[docling]``).

* Boxes are in points from the top left. A page of unknown size counts as 1000 by 1000.
* A paragraph over several columns or pages is one item with a provenance for each box.
* A heading with one ``#`` is a title. One with more is a section header, whose level is
  one less than their number, as when docling reads Markdown and HTML.
* Page furniture (running heads, page numbers) is in docling's furniture layer.
* Failed and blank pages are pages without items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..document.types import OcrDocument
from ..errors import MissingExtraError
from ..installing import install_command

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument

__all__ = ["to_docling"]


def to_docling(document: OcrDocument) -> DoclingDocument:
    """Converts a document for docling.

    Args:
        document: The document as it was read.

    Returns:
        Pages with sizes, texts in reading order, tables with cells and spans,
        pictures, and captions attached to them, each with its boxes.

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
            remedy=f"Run: {install_command('docling')}",
        ) from error
    return DoclingWriter(document).write()
