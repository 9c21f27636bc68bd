"""Makes the documents of one folder a library: :class:`FolderLibrary`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ...document.types import Box, OcrDocument
from ...errors import DeepSeekOCRError
from ...reading.reader import Reader
from ...retrieval.retriever import Retriever
from ...text.control_tokens import one_line
from ..folder_listing import DocumentFile, FolderListing, documents_in_folder
from ..folder_pages import FolderPages, FolderSearch
from ..open_documents import OpenDocuments, resolve_root
from .library import PICTURE_SIDE, DocumentPages, OnPage, counted_pages, marked_picture

__all__ = ["FolderLibrary"]

DOCUMENTS_KEPT: Final = 32
"""How many documents have their pages remembered, so that they are not read again."""

SECONDS_A_SEARCH: Final = 30.0
"""Seconds of one search after which no further page of a folder is begun."""


class FolderLibrary:
    """The documents below one folder; their ids are paths in it. Threads may share an instance.

    Args:
        reader: Reads the documents.
        root: The only folder whose files may be named, with its subfolders; by default the current
            one, unless that is the root of the file system.
        password: Tried on encrypted PDFs.
        keep: How many documents to remember.

    Raises:
        ConfigurationError: If ``root`` is not a folder.
    """

    def __init__(
        self,
        reader: Reader,
        root: str | Path | None = None,
        *,
        password: str | None = None,
        keep: int = DOCUMENTS_KEPT,
    ) -> None:
        self.root = resolve_root(root)
        self._reader = reader
        self._password = password
        self._documents = OpenDocuments(
            reader, self.root, allow_urls=False, password=password, keep=keep
        )
        self._folder_pages = FolderPages(self._documents.open_file, seconds_a_call=SECONDS_A_SEARCH)

    def listing(self, folder: str) -> FolderListing:
        """See :class:`Library`."""
        return documents_in_folder(self.root, folder)

    @contextmanager
    def opened(self, id: str, pages: str | None, on_page: OnPage) -> Iterator[DocumentPages]:
        """See :class:`Library`."""
        named = self._documents.named(id)
        with self._documents.open(named, pages) as stream:
            reading = counted_pages(
                self._documents.pages(stream, named), len(stream.page_numbers), on_page
            )
            with closing(reading):
                yield DocumentPages(
                    stream.source, stream.sha256, stream.total_pages, stream.page_numbers, reading
                )

    def index(self, id: str, pages: str | None, on_page: OnPage) -> tuple[OcrDocument, Retriever]:
        """See :class:`Library`."""
        return self._documents.index(
            self._documents.named(id),
            pages,
            lambda reading, total: counted_pages(reading, total, on_page),
        )

    def search(self, folder: str, on_page: OnPage) -> tuple[FolderSearch, Sequence[DocumentFile]]:
        """See :class:`Library`; a call reads at most 100 pages more, for half a minute."""
        files = self.listing(folder).files
        done = 0

        def told() -> None:
            nonlocal done
            done += 1
            on_page(done, None)

        return self._folder_pages.read(files, told), files

    def picture(self, id: str, page: int, boxes: Sequence[Box]) -> bytes:
        """See :class:`Library`."""
        source, name = self._documents.named(id)
        whole = self._reader.render_page(
            source, page, long_side=PICTURE_SIDE, password=self._password, name=name
        )
        return marked_picture(whole, boxes)

    def explain(self, error: DeepSeekOCRError) -> str:
        """See :class:`Library`."""
        root = str(self.root)
        text = str(error)
        return one_line(text if root == self.root.anchor else text.replace(root, "."))
