"""Makes documents that were read and stored elsewhere a library: :class:`StoredLibrary`."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from PIL import Image

from ...document.types import Box, OcrDocument, Page
from ...errors import ConfigurationError, DeepSeekOCRError, PageRangeError
from ...reading.cached_pages import page_from_json
from ...retrieval.retriever import Retriever
from ...sources.source import parse_page_selection
from ...text.control_tokens import one_line
from ..folder_listing import DocumentFile, FolderListing
from ..folder_pages import FolderSearch
from .library import PICTURE_SIDE, DocumentPages, OnPage, counted_pages, marked_picture

__all__ = ["StoredDocument", "StoredDocuments", "StoredLibrary"]

INDEXES_KEPT: Final = 4
"""How many indexes are kept for the next search; one needs some 10 kB a page."""

MOST_PAGES: Final = 5000
"""Most pages that one search covers."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that was read.

    Attributes:
        id: The document's id; not a path.
        sha256: Hash of its bytes.
        total_pages: Pages of the file.
        stored_pages: How many pages were read, including failed ones.
        version: Changes when any of its text changes, for example by a correction.
    """

    id: str
    sha256: str
    total_pages: int
    stored_pages: int
    version: int = 0


class StoredDocuments(Protocol):
    """A store of documents that were read."""

    def documents(self) -> Sequence[StoredDocument]:
        """The documents, the newest first."""

    def document(self, id: str) -> StoredDocument:
        """The document that a client means by an id; raises an error of ours if there is none."""

    def pages(self, document: StoredDocument) -> Iterable[str]:
        """Its pages by number, as JSON (:func:`~...reading.cached_pages.page_to_json`)."""

    def picture(self, document: StoredDocument, page: int, long_side: int) -> bytes:
        """A page as a PNG file."""


class StoredLibrary:
    """Stored documents as a library (:class:`.library.Library`). Threads may share one.

    Args:
        stored: The documents.
    """

    def __init__(self, stored: StoredDocuments) -> None:
        self._stored = stored
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Retriever] = OrderedDict()

    def listing(self, folder: str) -> FolderListing:
        """All documents: there are no folders."""
        if folder:
            raise ConfigurationError(
                "there are no folders here", remedy="Leave folder out for all documents."
            )
        files = tuple(DocumentFile(each.id, None) for each in self._stored.documents())
        return FolderListing(files, 0, True)

    @contextmanager
    def opened(self, id: str, pages: str | None, on_page: OnPage) -> Iterator[DocumentPages]:
        """Some pages of a document, or all that were stored."""
        document = self._stored.document(id)
        wanted = None if pages is None else _selected(document, pages)
        found = [page for page in self._pages(document) if wanted is None or page.number in wanted]
        if not found:
            raise PageRangeError(
                f"it has no page {pages} that was read",
                source=document.id,
                remedy=f"{document.stored_pages} of its {document.total_pages} pages were read.",
            )
        reading = counted_pages(_given(found), len(found), on_page)
        numbers = tuple(page.number for page in found)
        with closing(reading):
            yield DocumentPages(
                document.id, document.sha256, document.total_pages, numbers, reading
            )

    def index(self, id: str, pages: str | None, on_page: OnPage) -> tuple[OcrDocument, Retriever]:
        """Some pages of a document, or all, and an index of them."""
        with self.opened(id, pages, on_page) as opened:
            document = opened.document(opened.pages)
        version = str(self._stored.document(id).version)
        key = (document.source, document.sha256, version, pages or "")
        return document, self._index(key, [document])

    def search(self, folder: str, on_page: OnPage) -> tuple[FolderSearch, Sequence[DocumentFile]]:
        """The searchable pages: those of the newest documents, up to a number of pages."""
        files = self.listing(folder).files
        chosen, left = [], MOST_PAGES
        for each in self._stored.documents():
            left -= each.stored_pages
            if left < 0:
                break
            chosen.append(each)
        documents = (self._whole(each, on_page) for each in chosen)
        key = tuple(f"{each.id} {each.version}" for each in chosen)
        retriever = self._index(key, documents)
        waiting = tuple(file.path for file in files[len(chosen) :])
        return FolderSearch(retriever, len(chosen), waiting, bool(waiting), (), 0), files

    def picture(self, id: str, page: int, boxes: Sequence[Box]) -> bytes:
        """A page with boxes marked, as the bytes of a PNG or JPEG file."""
        document = self._stored.document(id)
        data = self._stored.picture(document, page, PICTURE_SIDE)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as whole:
            return marked_picture(whole, boxes)

    def explain(self, error: DeepSeekOCRError) -> str:
        """Say what happened and what to do."""
        return one_line(str(error))

    def _pages(self, document: StoredDocument) -> Iterator[Page]:
        return map(page_from_json, self._stored.pages(document))

    def _whole(self, document: StoredDocument, on_page: OnPage) -> OcrDocument:
        pages = tuple(self._pages(document))
        return OcrDocument(document.id, pages, document.total_pages, document.sha256)

    def _index(self, key: tuple[str, ...], documents: Iterable[OcrDocument]) -> Retriever:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = Retriever.from_documents(documents)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > INDEXES_KEPT:
                self._kept.popitem(last=False)
        return made


def _selected(document: StoredDocument, pages: str) -> frozenset[int]:
    return frozenset(parse_page_selection(pages, document.total_pages, source=document.id))


def _given(pages: Iterable[Page]) -> Generator[Page, None, None]:
    yield from pages
