"""Chooses the renderer of a file: the requested one for PDFs, Pillow for pictures.

Before a renderer gets the user's document, it must draw a tiny one of ours. So a broken
installation is reported as such, and not as a damaged document.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ...errors import MissingExtraError
from ..limits import Limits
from .content import Content
from .formats import PICTURES
from .opened_document import OpenedDocument

__all__ = ["Opener", "broken_installation", "opener_for", "renderer_of"]

Opener = Callable[[Content, str | None, Limits], OpenedDocument]
"""Opens a document in this process, given its content, its password and the limits.

Raises a SourceError if the document cannot be opened."""

_DISTRIBUTIONS: Final = {"pdfium": "pypdfium2", "pymupdf": "pymupdf", "pillow": "pillow"}

_CODECS: Final = {"JPEG": "jpg", "PNG": "zlib", "TIFF": "libtiff", "WEBP": "webp"}
"""The codec that Pillow needs for a format, by its name in :mod:`PIL.features`."""

_EMPTY_PAGE: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    b"xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
    b"0000000101 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n160\n%%EOF\n"
)

_LONGEST_REASON: Final = 300


def renderer_of(format: str, renderer: str) -> str:
    """Name the library that opens a format: "pillow" for pictures, else ``renderer``."""
    return "pillow" if format in PICTURES else renderer


@lru_cache
def opener_for(format: str, renderer: str) -> Opener:
    """Return the function that opens a format; PDFs use ``renderer`` ("pdfium" or "pymupdf").

    Raises:
        MissingExtraError: If the renderer is not installed, or its installation is broken.
    """
    try:
        opener = _load(format, renderer)
        if format not in PICTURES:
            _try(opener)
    except MissingExtraError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        reason = f"{type(cause).__name__}: {cause}".partition("\n")[0]
        raise broken_installation(renderer_of(format, renderer), reason) from error
    return opener


def broken_installation(renderer: str, reason: str) -> MissingExtraError:
    """Make the error for a renderer that is installed but does not work."""
    return MissingExtraError(
        f"the installation of {renderer} is broken ({reason[:_LONGEST_REASON]})",
        remedy=f"Install it again: pip install --force-reinstall {_DISTRIBUTIONS[renderer]}",
    )


def _load(format: str, renderer: str) -> Opener:
    if format in PICTURES:
        from PIL import features

        from .images import PictureDocument

        if format in _CODECS and not features.check(_CODECS[format]):
            raise ImportError(f"it was built without {_CODECS[format]}")
        return lambda content, password, limits: PictureDocument(
            content, format=format, limits=limits
        )
    if renderer == "pymupdf":
        from .pymupdf import PymupdfDocument

        return PymupdfDocument
    from .pdfium import PdfiumDocument

    return PdfiumDocument


def _try(opener: Opener) -> None:
    content = Content("an empty page", len(_EMPTY_PAGE), data=_EMPTY_PAGE)
    document = opener(content, None, Limits())
    try:
        if document.page_count != 1 or round(document.info(1).width) != 9:
            raise ValueError("it misreads the test page")
        document.text_layer(1)
        if document.render(1, 9).getpixel((4, 4)) != (255, 255, 255):
            raise ValueError("it draws nothing")
    finally:
        document.close()
