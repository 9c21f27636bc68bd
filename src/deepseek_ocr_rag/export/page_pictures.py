"""Pages with their boxes, as PNG files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL.Image import Image

from ..document.types import OcrDocument
from .drawing import draw_page
from .filenames import file_stem
from .folder import disk_errors

__all__ = ["write_page_pictures"]


def write_page_pictures(
    document: OcrDocument, folder: Path, picture: Callable[[int], Image]
) -> Iterator[Path]:
    """Draw every page that was read and write it as ``<document>-page-0001.png``.

    Args:
        document: What was read.
        folder: Made if it is not there.
        picture: Gives the picture of a page by its 1-based number.

    Yields:
        Each file when it is written.

    Raises:
        OutputError: If the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for page in document.pages:
        if page.ok:
            drawn = draw_page(picture(page.number), page)
            path = folder / f"{file_stem(document.source)}-page-{page.number:04d}.png"
            with disk_errors(folder):
                drawn.save(path)
            yield path
