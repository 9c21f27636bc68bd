"""Chooses the renderer of a file: the requested one for PDFs, Pillow for pictures."""

from __future__ import annotations

from collections.abc import Callable

from ..limits import Limits
from .content import Content
from .formats import PICTURES
from .opened_document import OpenedDocument

__all__ = ["Opener", "opener_for"]

Opener = Callable[[Content, str | None, Limits], OpenedDocument]
"""Opens a document in this process, given its content, its password and the limits.

Raises MissingExtraError if the renderer is not installed, and a SourceError if
the document cannot be opened."""


def opener_for(format: str, renderer: str) -> Opener:
    """Return the function that opens a format; PDFs use ``renderer`` ("pdfium" or "pymupdf")."""
    if format in PICTURES:
        from .images import PictureDocument

        return lambda content, password, limits: PictureDocument(
            content, format=format, limits=limits
        )
    if renderer == "pymupdf":
        from .pymupdf import PymupdfDocument

        return PymupdfDocument
    from .pdfium import PdfiumDocument

    return PdfiumDocument
