"""Which renderer opens a file: PDFs the one that was asked for, pictures always Pillow."""

from __future__ import annotations

from collections.abc import Callable

from ..limits import Limits
from .base import OpenedDocument
from .content import Content
from .formats import PICTURES

__all__ = ["Opener", "opener_for"]

Opener = Callable[[Content, str | None, Limits], OpenedDocument]
"""Opens a document in this process, given its bytes, its password and bounds.

It raises MissingExtraError if the renderer is not installed, and a SourceError
if the document cannot be opened."""


def opener_for(format: str, renderer: str) -> Opener:
    """Load a renderer.

    Args:
        format: What :func:`~deepseek_ocr_rag.sources.renderers.formats.sniff` found.
        renderer: "pdfium" or "pymupdf", for PDFs.
    """
    if format in PICTURES:
        from .images import PictureDocument

        return lambda content, password, limits: PictureDocument(
            content, format=format, limits=limits
        )
    if renderer == "pymupdf":
        from .pymupdf import PymupdfDocument

        return lambda content, password, limits: PymupdfDocument(
            content, password=password, limits=limits
        )
    from .pdfium import PdfiumDocument

    return lambda content, password, limits: PdfiumDocument(
        content, password=password, limits=limits
    )
