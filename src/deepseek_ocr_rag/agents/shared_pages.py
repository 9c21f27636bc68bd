"""Shares the pages of one document between the calls of an agent: :class:`SharedPages`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Final

from ..concurrency.cancellation import current_cancellation
from ..concurrency.fair_turns import FairSemaphore
from ..document.types import OcrDocument, Page
from ..errors import ReadCancelledError, TurnCancelledError
from ..reading.page_stream import PageStream
from ..retrieval.retriever import Retriever

__all__ = ["SharedPages"]

PAGES_A_TURN: Final = 4
"""After this many pages, a call lets a waiting call go first, which may want the same pages."""


class SharedPages:
    """The pages of a document read so far, by number, and an index of them. Thread-safe."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._turns = FairSemaphore(1)
        self._indexing = threading.Lock()
        self._indexed: tuple[Page, ...] = ()
        self._retriever: Retriever | None = None

    def read(
        self, numbers: Sequence[int], open_pages: Callable[[Sequence[int]], PageStream]
    ) -> Generator[Page, None, None]:
        """Yield pages in order; those that were read before are not read again.

        One call reads at a time. After a few pages it lets a waiting call go first, so that no
        call waits until a long document is read to its end.
        """
        left = list(numbers)
        turn = object()
        while left:
            if left[0] in self._pages:
                yield self._pages[left.pop(0)]
                continue
            try:
                with self._turns.slot(turn, current_cancellation()):
                    yield from self._read_turn(left, open_pages)
            except TurnCancelledError as error:
                raise ReadCancelledError("the reading was cancelled") from error

    def _read_turn(
        self, left: list[int], open_pages: Callable[[Sequence[int]], PageStream]
    ) -> Generator[Page, None, None]:
        """Read pages, and remove them from the list, until it is another call's turn."""
        missing = [number for number in left if number not in self._pages]
        if not missing:
            return
        with closing(open_pages(missing)) as stream:
            for count, number in enumerate(list(left)):
                if count >= PAGES_A_TURN and self._turns.contested:
                    return
                page = self._pages.get(number) or next(stream)
                if page.ok:  # a failed page is read again in the next call
                    self._pages[number] = page
                left.pop(0)
                yield page

    def index(self, document: OcrDocument) -> Retriever:
        """A retriever over these pages; built again only when they change."""
        with self._indexing:
            if self._retriever is None or self._indexed != document.pages:
                self._retriever = Retriever.from_documents([document])
                self._indexed = document.pages
            return self._retriever
