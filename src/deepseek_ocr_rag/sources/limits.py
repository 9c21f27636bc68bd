"""Limits the size of documents, and the time and memory that their pages may take."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..errors import ConfigurationError
from ..setting_names import with_known_settings

__all__ = ["Limits"]


@with_known_settings()
@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that protect the machine from hostile and damaged documents.

    Exceeding one raises :class:`~deepseek_ocr_rag.errors.LimitExceededError`,
    except for ``page_objects``.

    Attributes:
        file_bytes: Size of the file, or of what a URL sends.
        pages: Pages of a PDF, frames of a TIFF.
        image_pixels: Pixels of a picture file, of one frame of it, of one
            raster image on a PDF page, and of a rendered page. Fax and JBIG2
            images on PDF pages hold one bit a pixel instead of 24 and may
            have 24 times as many.
        page_seconds: Seconds to load and render one page, to load it and read
            its text layer, or to open the document. A process that still works
            five seconds later is ended. In the caller's own process
            (``isolated=False``), pdfium stops a slow rendering between two
            drawing steps, and everything else is only checked after it ends.
        page_characters: Characters of one page's text layer.
        page_objects: Drawn objects and path segments of one page that are
            searched for rules and pictures. Further ones are left out of the
            text layer without an error: maps and plots have millions of
            strokes, and none of them belongs to a table.
        worker_bytes: Memory of one process that reads documents, in bytes, not
            counting a document that was passed as bytes. There is no such limit
            on Windows or with ``isolated=False``.

    Raises:
        ConfigurationError: If a limit is not a positive number.
    """

    file_bytes: int = 512 * 1024 * 1024
    pages: int = 10_000
    image_pixels: int = 100_000_000
    page_seconds: float = 20.0
    page_characters: int = 500_000
    page_objects: int = 50_000
    worker_bytes: int = 900_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not value > 0 or math.isnan(value):
                raise ConfigurationError(
                    f"the limit {field.name} must be a positive number, not {value!r}",
                    remedy="Use math.inf for no limit.",
                )
