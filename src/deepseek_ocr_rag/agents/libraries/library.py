"""Defines what a server of tools needs of documents, wherever they come from: :class:`Library`.

A server names its documents by ids; the client knows nothing else about them. The tools are the same
for the files of a folder and for documents that a service has read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Final, Protocol

from PIL import Image

from ...document.types import Box, OcrDocument, Page
from ...errors import DeepSeekOCRError
from ...export.drawing import highlight_boxes
from ...retrieval.retriever import Retriever
from ..folder_listing import DocumentFile, FolderListing
from ..folder_pages import FolderSearch

__all__ = [
    "PICTURE_SIDE",
    "DocumentPages",
    "Library",
    "OnPage",
    "counted_pages",
    "evidence_picture",
    "marked_picture",
    "text_in_boxes",
]

PICTURE_SIDE: Final = 1024
"""Long side of a page's picture in pixels, the size that models with vision are made for."""

PICTURE_BYTES: Final = 180_000
"""Most bytes of a picture: four of them stay under 1 MB in base64, which desktop clients accept."""

COVERED: Final = 0.5
"""A block belongs to a box that covers this share of it."""

OnPage = Callable[[int, int | None], object]
"""Called after each page with the number of finished pages and, if known, of all pages."""


@dataclass(frozen=True, slots=True)
class DocumentPages:
    """Some pages of a document, which are read as you iterate.

    Attributes:
        id: The document's id, as the library writes it.
        sha256: Hash of its bytes.
        total_pages: Number of pages in it.
        numbers: 1-based numbers of the selected pages.
        pages: The pages in order.
    """

    id: str
    sha256: str
    total_pages: int
    numbers: tuple[int, ...]
    pages: Generator[Page, None, None]

    def document(self, pages: Iterable[Page]) -> OcrDocument:
        """A document made of some of the pages."""
        return OcrDocument(self.id, tuple(pages), self.total_pages, self.sha256)


class Library(Protocol):
    """Documents that a client may list, read, search and look at by their ids.

    The ``source`` of each document and passage is its id, in the library's own form even if a
    client wrote it in another.
    """

    def listing(self, folder: str) -> FolderListing:
        """The documents in a folder; "" is all of them."""

    def opened(
        self, id: str, pages: str | None, on_page: OnPage
    ) -> AbstractContextManager[DocumentPages]:
        """Open some pages of a document, or all."""

    def index(self, id: str, pages: str | None, on_page: OnPage) -> tuple[OcrDocument, Retriever]:
        """Read some pages of a document, or all, and index them."""

    def search(self, folder: str, on_page: OnPage) -> tuple[FolderSearch, Sequence[DocumentFile]]:
        """The searchable pages of the documents in a folder."""

    def picture(self, id: str, page: int, boxes: Sequence[Box]) -> bytes:
        """A page with boxes marked, as the bytes of a PNG or JPEG file."""

    def explain(self, error: DeepSeekOCRError) -> str:
        """Say what happened and what to do, without paths of this machine."""


def evidence_picture(
    library: Library, id: str, page: int, boxes: Sequence[Sequence[float]]
) -> bytes:
    """A page with the places of a citation marked; each box is four fractions of the page."""
    return library.picture(id, page, [Box.clamped(*box) for box in boxes])


def marked_picture(page: Image.Image, boxes: Sequence[Box]) -> bytes:
    """A page's picture with boxes marked: PNG, or JPEG if PNG is too large, scaled down if need be."""
    picture = highlight_boxes(page, boxes)
    data = _encoded(picture, "PNG", optimize=True)
    for quality in (85, 70, 50, 30):
        if len(data) <= PICTURE_BYTES:
            return data
        data = _encoded(picture, "JPEG", quality=quality)
    while len(data) > PICTURE_BYTES:
        picture = picture.reduce(2)
        data = _encoded(picture, "JPEG", quality=50)
    return data


def _encoded(picture: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def text_in_boxes(page: Page, boxes: Sequence[Sequence[float]]) -> str:
    """The Markdown of the blocks that lie in the boxes; of the whole page if there are no boxes.

    A block without a box of its own is not in any.
    """
    if not boxes:
        return page.markdown
    areas = [Box.clamped(*box) for box in boxes]
    inside = [
        block.text for block in page.blocks if any(_covers(areas, box) for box in block.boxes)
    ]
    return "\n\n".join(text for text in inside if text.strip())


def _covers(areas: Sequence[Box], box: Box) -> bool:
    return any(
        common is not None and common.area >= COVERED * box.area
        for common in (area.intersection(box) for area in areas)
    )


def counted_pages(
    pages: Generator[Page, None, None], total: int, on_page: OnPage
) -> Generator[Page, None, None]:
    """Pass the pages on, and report each."""
    with closing(pages):
        for done, page in enumerate(pages, start=1):
            on_page(done, total)
            yield page
