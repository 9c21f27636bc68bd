"""Remembers the pages of a whole folder, to search them: :class:`FolderPages`.

A call reads a limited number of new pages, for a limited time; later calls read the rest. So a
model gets an answer in time, together with the number of documents it covers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from ..concurrency.cancellation import current_cancellation
from ..concurrency.fair_turns import FairSemaphore
from ..document.types import OcrDocument, Page
from ..errors import ReadCancelledError, SourceError, TurnCancelledError
from ..reading.page_stream import PageStream
from ..retrieval.retriever import Retriever
from .folder_listing import DocumentFile

__all__ = ["FolderPages", "FolderSearch"]

PAGES_A_CALL: Final = 100
"""Most pages that a call reads."""

SECONDS_A_CALL: Final = 60.0
"""Seconds after which no further page is begun."""

PAGES_KEPT: Final = 10_000
"""Most pages to remember; text and index take some 10 kB a page."""

OpenDocument = Callable[
    [DocumentFile, Sequence[int] | None], tuple[PageStream, Generator[Page, None, None]]
]
"""Opens some pages of a document, or all, and reads them in order as they are taken."""


@dataclass(slots=True)
class _Known:
    """What is known about one document."""

    stamp: tuple[int, int, int]
    sha256: str = ""
    total: int | None = None
    pages: dict[int, Page] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    problem: str = ""

    def missing(self, again: bool) -> list[int] | None:
        """The pages still to read; None if their number is not known yet."""
        if self.total is None:
            return None
        skipped = set(self.pages) | (set() if again else self.failed)
        return [number for number in range(1, self.total + 1) if number not in skipped]


@dataclass(frozen=True, slots=True)
class FolderSearch:
    """What can be searched now.

    Attributes:
        retriever: Searches all pages that were read.
        documents: How many documents they are from.
        waiting: Paths of documents that still have pages to read.
        full: Whether no more pages can be remembered.
        problems: Path and reason of each document that cannot be read.
        failed: How many pages could not be read.
    """

    retriever: Retriever
    documents: int
    waiting: tuple[str, ...]
    full: bool
    problems: tuple[tuple[str, str], ...]
    failed: int


class FolderPages:
    """The pages of a folder's documents read so far, and an index of them. Thread-safe.

    ``open_document`` opens and reads a document; ``pages_a_call`` and ``seconds_a_call`` limit a call.
    """

    def __init__(
        self,
        open_document: OpenDocument,
        *,
        pages_a_call: int = PAGES_A_CALL,
        seconds_a_call: float = SECONDS_A_CALL,
    ) -> None:
        self._open = open_document
        self._pages_a_call = pages_a_call
        self._seconds = seconds_a_call
        self._known: dict[str, _Known] = {}
        self._turns = FairSemaphore(1)
        self._indexed: tuple[tuple[str, str, int], ...] = ()
        self._retriever: Retriever | None = None

    def read(
        self, files: Sequence[DocumentFile], on_page: Callable[[], object] = lambda: None
    ) -> FolderSearch:
        """Read more pages of these documents, and index all that were read.

        ``on_page`` is called after each page.

        Raises:
            DeepSeekOCRError: If pages cannot be read for a reason that concerns all documents.
        """
        try:
            with self._turns.slot(object(), current_cancellation()):
                self._read_on(files, on_page)
                return self._searchable(files)
        except TurnCancelledError as error:
            raise ReadCancelledError("the reading was cancelled") from error

    def _read_on(self, files: Sequence[DocumentFile], on_page: Callable[[], object]) -> None:
        left = self._pages_a_call
        until = time.monotonic() + self._seconds
        for again in (False, True):  # documents that failed before are tried last
            for file in files:
                known = self._known.get(file.path)
                if known is None or known.stamp != file.stamp:
                    known = self._known[file.path] = _Known(file.stamp)
                missing = known.missing(again)
                room = min(left, PAGES_KEPT - sum(len(k.pages) for k in self._known.values()))
                if room <= 0 or time.monotonic() > until:
                    return
                if known.problem or missing == []:
                    continue
                left -= self._read_document(file, known, missing, room, until, on_page)

    def _read_document(
        self,
        file: DocumentFile,
        known: _Known,
        missing: list[int] | None,
        most: int,
        until: float,
        on_page: Callable[[], object],
    ) -> int:
        """Read up to ``most`` of the missing pages; return how many were read."""
        count = 0
        try:
            stream, pages = self._open(file, None if missing is None else missing[:most])
            with stream, closing(pages):
                if known.sha256 != stream.sha256:
                    known.pages, known.failed, known.sha256 = {}, set(), stream.sha256
                known.total = stream.total_pages
                for page in pages:
                    count += 1
                    on_page()
                    if page.ok:
                        known.pages[page.number] = page
                        known.failed.discard(page.number)
                    else:
                        known.failed.add(page.number)
                    if count >= most or time.monotonic() > until:
                        break
        except SourceError as error:
            known.problem = error.problem
        return count

    def _searchable(self, files: Sequence[DocumentFile]) -> FolderSearch:
        known = {file.path: self._known.get(file.path) or _Known(file.stamp) for file in files}
        read = {path: each for path, each in known.items() if each.pages}
        index = tuple((path, each.sha256, len(each.pages)) for path, each in read.items())
        if self._retriever is None or index != self._indexed:
            self._retriever = Retriever.from_documents(
                OcrDocument(
                    path,
                    tuple(page for _, page in sorted(each.pages.items())),
                    each.total or len(each.pages),
                    each.sha256,
                )
                for path, each in read.items()
            )
            self._indexed = index
        return FolderSearch(
            self._retriever,
            len(read),
            tuple(
                path
                for path, each in known.items()
                if not each.problem and each.missing(False) != []
            ),
            sum(len(each.pages) for each in self._known.values()) >= PAGES_KEPT,
            tuple((path, each.problem) for path, each in known.items() if each.problem),
            sum(len(each.failed) for each in known.values()),
        )
