"""Streams the pages of one document, wherever they are read: :class:`PageStream`."""

from __future__ import annotations

import asyncio
import weakref
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Self

from ..concurrency.cancellation import Cancellation, current_cancellation
from ..document.headings import Headings, with_sections
from ..document.types import OcrDocument, Page
from ..errors import ReadCancelledError
from ..model.prompts import Mode, Task
from ..sources.source import Source
from ..threads import no_thread, thread_errors
from .progress import ReadingProgress

__all__ = ["PageStream", "ReadRequest"]


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Says how to read the pages of a document."""

    task: Task
    mode: Mode
    password: str | None = field(default=None, repr=False)  # that the document was opened with


class PageStream(Iterator[Page]):
    """The pages of one document in page order, each as soon as it is read.

    An iterator and context manager, both synchronous and asynchronous. It closes
    itself after the last page. To stop early, call :meth:`close` from any thread; a
    thread that is waiting for a page then gets a
    :class:`~deepseek_ocr_rag.errors.ReadCancelledError`.

    Attributes:
        source: Name of the document.
        sha256: Hash of its bytes, 64 hex digits.
        total_pages: Number of pages in the file.
        page_numbers: 1-based numbers of the pages that the stream yields.
        on_progress: Called with a :class:`~deepseek_ocr_rag.reading.ReadingProgress` when a
            page begins to be read and when it is finished, which may be before its turn in
            the order; from any thread, so it must be quick. None by default.
        error_types: The classes of the errors of pages that failed, by page number, where they
            are known.
    """

    def __init__(
        self,
        source: Source,
        page_numbers: tuple[int, ...],
        *,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.source = source.name
        self.sha256 = source.sha256
        self.total_pages = source.page_count
        self.page_numbers = page_numbers
        self.on_progress: Callable[[ReadingProgress], object] | None = None
        self.error_types: dict[int, str] = {}
        self._opened = source
        # A finalizer also runs for streams that nobody closes.
        self._on_end = weakref.finalize(self, on_end)
        self._on_end.atexit = False
        self._cancellation = Cancellation()
        self._caller = ExitStack()
        self._caller.enter_context(current_cancellation().on_cancel(self._cancellation.cancel))
        self._pages = self._run()
        self._worker: ThreadPoolExecutor | None = None

    def __iter__(self) -> PageStream:
        return self

    def __next__(self) -> Page:
        with thread_errors():
            return next(self._pages)

    def document(self, pages: Iterable[Page]) -> OcrDocument:
        """A document made of pages of this stream, or of the stream itself."""
        return OcrDocument(self.source, tuple(pages), self.total_pages, self.sha256)

    def __aiter__(self) -> PageStream:
        return self

    async def __anext__(self) -> Page:
        if self._worker is None:
            # One thread for the whole stream, so that steps never overlap and closing
            # waits for a cancelled step instead of running beside it.
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="dsocr-stream")
        with thread_errors():
            page = await asyncio.get_running_loop().run_in_executor(
                self._worker, next, self._pages, None
            )
        if page is None:
            await self.aclose()
            raise StopAsyncIteration
        return page

    def close(self) -> None:
        """Stop reading and close the file. A second call does nothing."""
        self._cancellation.cancel()
        worker, self._worker = self._worker, None
        finishing = None if worker is None else _submitted(worker, self._finish)
        if worker is None or finishing is None:
            self._finish()
            return
        finishing.result()
        worker.shutdown()

    async def aclose(self) -> None:
        """:meth:`close` without blocking the event loop."""
        self._cancellation.cancel()
        worker, self._worker = self._worker, None
        finishing = None if worker is None else _submitted(worker, self._finish)
        if worker is None or finishing is None:
            self._finish()
            return
        worker.shutdown(wait=False)
        await asyncio.wrap_future(finishing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _finish(self) -> None:
        with suppress(ValueError):
            # Another thread is running the generator; it was cancelled and will end it.
            self._pages.close()
        self._release()

    def _release(self) -> None:
        self._caller.close()
        self._opened.close()
        self._on_end()

    def _run(self) -> Generator[Page]:
        """Yield pages in order, and carry the open headings from each page to the next."""
        headings: Headings = ()
        try:
            for page in self._pages_in_order():
                blocks, headings = with_sections(page.blocks, headings)
                yield replace(page, blocks=blocks)
        finally:
            self._release()

    @abstractmethod
    def _pages_in_order(self) -> Generator[Page]:
        """Read the pages, and yield them in the order of :attr:`page_numbers`."""

    def _tell(self, done: int, reading: Iterable[int] = ()) -> None:
        if self.on_progress is not None:
            total = len(self.page_numbers)
            self.on_progress(ReadingProgress(self.source, done, total, tuple(sorted(reading))))

    def _check_cancelled(self) -> None:
        if self._cancellation.cancelled:
            raise ReadCancelledError("the reading was cancelled", source=self.source)


def _submitted(worker: ThreadPoolExecutor, work: Callable[[], None]) -> Future[None] | None:
    """The work as a future; None if no thread could be started."""
    try:
        return worker.submit(work)
    except RuntimeError as error:
        if not no_thread(error):
            raise
        return None
