"""Streams the pages of one document: prepare, ask the backend, parse, restore page order.

Only a few rendered pages exist at any moment (those the backend works on, plus a
small read-ahead), however long the document is.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Self

from ..backends.base import Backend, PageRequest, Reply
from ..concurrency.cancellation import Cancellation, current_cancellation
from ..document.grammar.confidence import block_confidences, page_confidence
from ..document.grammar.parser import parse_page
from ..document.headings import Headings, with_sections
from ..document.types import OcrDocument, Page
from ..errors import BackendReplyError, BackendUnavailableError, ReadCancelledError
from ..model.prompts import Mode, Task
from ..sources.source import Source
from ..threads import no_thread, thread_errors
from .cached_pages import CachedPages
from .preparation import PreparedPage, prepare_page, read_ahead, resolution_of
from .progress import ReadingProgress
from .reorder_buffer import ReorderBuffer

__all__ = ["PageStream", "page_from_reply"]

_log = logging.getLogger("deepseek_ocr_rag")


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
    """

    def __init__(
        self,
        source: Source,
        page_numbers: tuple[int, ...],
        *,
        backend: Callable[[], Backend],
        task: Task,
        mode: Mode,
        cached: CachedPages | None = None,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.source = source.name
        self.sha256 = source.sha256
        self.total_pages = source.page_count
        self.page_numbers = page_numbers
        self.on_progress: Callable[[ReadingProgress], object] | None = None
        self._opened = source
        self._backend = backend
        self._task = task
        self._mode = mode
        self._cached = cached
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
        """The document that pages of this stream make, or the stream itself."""
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

    def _pages_in_order(self) -> Iterator[Page]:
        backend = self._backend()
        kept = self._cached.read_by(backend) if self._cached else None
        buffer = ReorderBuffer(self.page_numbers, kept)
        replies = backend.read(self._requests(backend, buffer))
        try:
            yield from self._told(buffer, buffer.ready())
            for reply in replies:
                if reply.key not in buffer.requested:
                    raise BackendReplyError(
                        f"the {backend.name} backend replied to a page that it was not asked for",
                        source=self.source,
                    )
                page = buffer.requested.pop(reply.key)
                read = page_from_reply(reply, page)
                buffer.add(reply.key, read)
                _log.debug("page %d of %s: %s", read.number, self.source, read.finish_reason)
                self._tell(buffer)
                yield from self._told(buffer, buffer.ready())
                self._check_cancelled()
            self._check_cancelled()
        except BackendUnavailableError as error:
            if kept is not None:
                error.remedy = (
                    f"{error.remedy or ''} Finished pages are kept in the cache: read the document "
                    "again, and it goes on where it stopped."
                ).strip()
            raise
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()
            self._opened.close()

        def missing(key: int) -> Page:
            page = buffer.requested.get(key) or Page(
                self.page_numbers[key], resolution=resolution_of(backend, self._mode)
            )
            return _unanswered_page(page, backend)

        yield from self._told(buffer, buffer.rest(missing))

    def _requests(self, backend: Backend, buffer: ReorderBuffer) -> Iterator[PageRequest]:
        def prepare(key: int) -> tuple[int, PreparedPage]:
            return key, prepare_page(self._opened, self.page_numbers[key], backend, self._mode)

        for key, prepared in read_ahead(
            prepare, buffer.uncached(), self._opened, self._cancellation
        ):
            self._check_cancelled()
            page = prepared.page
            if page.finish_reason != "stop":
                buffer.add(key, page)
                self._tell(buffer)
                continue
            buffer.requested[key] = page
            self._tell(buffer)
            yield PageRequest(
                key=key,
                page=page.number,
                source=self.source,
                sha256=self.sha256,
                image=prepared.image,
                png=prepared.png,
                text_layer=prepared.text_layer,
                task=self._task,
                resolution=self._mode,
                width=page.width,
                height=page.height,
                draft=partial(self._opened.text_layer, page.number),
                redraw=partial(self._opened.render, page.number, self._mode.long_side)
                if prepared.image is not None or prepared.png is not None
                else None,
                cancellation=self._cancellation,
            )
        self._check_cancelled()

    def _told(self, buffer: ReorderBuffer, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            self._tell(buffer)
            yield page

    def _tell(self, buffer: ReorderBuffer) -> None:
        if self.on_progress is not None:
            # list: another thread may be adding to it.
            reading = tuple(sorted(page.number for page in list(buffer.requested.values())))
            total = len(self.page_numbers)
            self.on_progress(ReadingProgress(self.source, buffer.done, total, reading))

    def _check_cancelled(self) -> None:
        if self._cancellation.cancelled:
            raise ReadCancelledError("the reading was cancelled", source=self.source)


def _submitted(worker: ThreadPoolExecutor, work: Callable[[], None]) -> Future[None] | None:
    """The work as a future; None if no thread could be started, so that none works yet."""
    try:
        return worker.submit(work)
    except RuntimeError as error:
        if not no_thread(error):
            raise
        return None


def page_from_reply(reply: Reply, page: Page) -> Page:
    """Parse a backend's reply into the page that was requested."""
    parsed = parse_page(reply.text, recorded=False)
    return replace(
        page,
        markdown=parsed.markdown,
        blocks=block_confidences(parsed, reply.text, reply.logprobs),
        finish_reason=reply.finish_reason,
        attempts=reply.attempts,
        warnings=(*page.warnings, *reply.warnings, *parsed.warnings),
        error=reply.error,
        confidence=page_confidence(reply.logprobs),
    )


def _unanswered_page(page: Page, backend: Backend) -> Page:
    error = BackendReplyError(
        f"the {backend.name} backend gave no reply for this page",
        page=page.number,
        remedy="Read this page again.",
    )
    return replace(
        page, backend=backend.name, model=backend.model, finish_reason="error", error=str(error)
    )
