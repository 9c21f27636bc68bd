"""Opens the documents that a model may name, and shares their pages: :class:`OpenDocuments`."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from ..document.types import OcrDocument, Page
from ..errors import ConfigurationError, SourceError, SourceNotFoundError
from ..reading.page_stream import PageStream
from ..reading.reader import Reader
from ..retrieval.retriever import Retriever
from ..sources.allowed_paths import FileInside
from .fencing import own_words
from .folder_listing import DocumentFile, FolderListing, documents_below
from .shared_pages import SharedPages

__all__ = ["NamedDocument", "OpenDocuments", "resolve_root"]

FEW_FILES: Final = 5
"""Most documents that a remedy lists."""

_URL: Final = re.compile(r"https?://", re.IGNORECASE)

NamedDocument = tuple[str | FileInside, str | None]
"""What to open, and its name in replies; a URL gets its name from the source."""


CountedPages = Callable[[Generator[Page, None, None], int], Generator[Page, None, None]]
"""Passes pages on; also gets their number."""


class OpenDocuments:
    """The documents below one folder. Pages are remembered by the content of their file.

    Args:
        reader: Reads the documents.
        root: The folder, resolved.
        allow_urls: Whether URLs may be named, too.
        password: Tried on encrypted PDFs.
        keep: How many documents to remember.
    """

    def __init__(
        self, reader: Reader, root: Path, *, allow_urls: bool, password: str | None, keep: int
    ) -> None:
        self.root = root
        self._reader = reader
        self._allow_urls = allow_urls
        self._password = password
        self._keep = keep
        self._recent: OrderedDict[str, SharedPages] = OrderedDict()
        self._lock = threading.Lock()

    def named(self, path: str) -> NamedDocument:
        """The document that a model means by a path.

        Raises:
            SourceNotFoundError: If there is none; the remedy names similar ones.
            SourceNotAllowedError: If the model may not name it.
        """
        if self._allow_urls and _URL.match(path):
            return path, None
        try:
            file = FileInside.named(self.root, path)
        except SourceNotFoundError as error:
            listing = documents_below(self.root)
            meant = listing.spoken(path)
            if meant is None:
                raise SourceNotFoundError(
                    error.problem, source=error.source, remedy=_remedy(error, path, listing)
                ) from error
            file = FileInside.named(self.root, meant)
        return file, file.path

    def open(self, document: NamedDocument, pages: str | Sequence[int] | None) -> PageStream:
        """Open some pages of a document, or all."""
        source, name = document
        return self._reader.open(source, pages=pages, password=self._password, name=name)

    def pages(self, stream: PageStream, document: NamedDocument) -> Generator[Page, None, None]:
        """The stream's pages in order; remembered pages are not read again."""
        unused = [stream]

        def open_pages(numbers: Sequence[int]) -> PageStream:
            if unused and tuple(numbers) == stream.page_numbers:
                return unused.pop()
            fresh = self.open(document, numbers)
            if fresh.sha256 != stream.sha256:
                fresh.close()
                raise SourceError(
                    "the file was changed while it was read",
                    source=stream.source,
                    remedy="Read it again.",
                )
            return fresh

        return self._shared_pages(stream.sha256).read(stream.page_numbers, open_pages)

    def open_file(
        self, file: DocumentFile, numbers: Sequence[int] | None
    ) -> tuple[PageStream, Generator[Page, None, None]]:
        """Open some pages of a listed document, or all; for :class:`FolderPages`."""
        document = FileInside(self.root, file.path), file.path
        stream = self.open(document, numbers)
        return stream, self.pages(stream, document)

    def index(
        self,
        named: NamedDocument,
        pages: str | Sequence[int] | None,
        counted: CountedPages = lambda pages, total: pages,
    ) -> tuple[OcrDocument, Retriever]:
        """Read all the pages and index them; they pass through ``counted``."""
        with self.open(named, pages) as stream:
            counting = counted(self.pages(stream, named), len(stream.page_numbers))
            with closing(counting) as reading:
                read = tuple(reading)
            document = OcrDocument(stream.source, read, stream.total_pages, stream.sha256)
            return document, self._shared_pages(stream.sha256).index(document)

    def _shared_pages(self, sha256: str) -> SharedPages:
        """The remembered pages of the file with this content, whatever its name."""
        with self._lock:
            shared = self._recent.setdefault(sha256, SharedPages())
            self._recent.move_to_end(sha256)
            while len(self._recent) > self._keep:
                self._recent.popitem(last=False)
            return shared


def resolve_root(root_dir: str | Path | None) -> Path:
    """The folder that may be read from; raises a ConfigurationError if it is unusable."""
    root = Path.cwd() if root_dir is None else Path(root_dir)
    resolved = root.resolve()
    if not resolved.is_dir():
        raise ConfigurationError(
            f"root_dir={str(root_dir)!r} is not a folder",
            remedy="Give the folder that the model may read from.",
        )
    if root_dir is None and resolved == Path(resolved.anchor):
        raise ConfigurationError(
            "the current directory is the root of the file system",
            remedy="Set root_dir to the folder that the model may read from.",
        )
    return resolved


def _remedy(error: SourceNotFoundError, path: str, listing: FolderListing) -> str:
    """The remedy for a path that names no document."""
    near = [f"'{own_words(each)}'" for each in listing.near(path)]
    if near:
        return f"{error.remedy} Did you mean {' or '.join(near)}?"
    few = [f"'{own_words(each.path)}'" for each in listing.files[:FEW_FILES]]
    if not few:
        return f"{error.remedy} There are no documents in the allowed folder."
    if len(listing.files) <= FEW_FILES:
        return f"{error.remedy} There is only {', '.join(few)}."
    return f"{error.remedy} list_documents shows the {len(listing.files)} documents that there are."
