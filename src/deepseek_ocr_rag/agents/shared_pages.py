"""The pages of one document that several calls of an agent want at the same time."""

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
"""So many are read at least before another call gets its turn: its first pages may be the same."""


class SharedPages:
    """What is remembered of a document: its pages by number, and an index of them. Thread-safe."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._turns = FairSemaphore(1)
        self._indexing = threading.Lock()
        self._indexed: tuple[Page, ...] = ()
        self._retriever: Retriever | None = None

    def read(
        self, numbers: Sequence[int], opened: Callable[[Sequence[int]], PageStream]
    ) -> Generator[Page, None, None]:
        """Some pages in order; those that are remembered are not read again.

        One call reads at a time. It lets the next one go first after a few pages,
        so that nobody waits for a long document to be read to its end.

        Args:
            numbers: 1-based.
            opened: Opens the document for those of them that must be read.

        Raises:
            ReadCancelledError: If the calling task was cancelled.
        """
        left = list(numbers)
        reading = object()
        while left:
            if left[0] in self._pages:
                yield self._pages[left.pop(0)]
                continue
            try:
                with self._turns.place(reading, current_cancellation()):
                    yield from self._turn(left, opened)
            except TurnCancelledError as error:
                raise ReadCancelledError("the reading was cancelled") from error

    def _turn(
        self, left: list[int], opened: Callable[[Sequence[int]], PageStream]
    ) -> Generator[Page, None, None]:
        """Read pages, and take them off the list, until it is the turn of another call."""
        missing = [number for number in left if number not in self._pages]
        if not missing:
            return
        with closing(opened(missing)) as stream:
            for read, number in enumerate(list(left)):
                if read >= PAGES_A_TURN and self._turns.contested:
                    return
                page = self._pages.get(number) or next(stream)
                if page.ok:  # a failed page is tried again at the next call
                    self._pages[number] = page
                left.pop(0)
                yield page

    def index(self, document: OcrDocument) -> Retriever:
        """What searches those pages; made once for the same ones."""
        with self._indexing:
            if self._retriever is None or self._indexed != document.pages:
                self._retriever = Retriever.from_documents([document])
                self._indexed = document.pages
            return self._retriever
