"""The pages of one document as they are read: prepare, ask, parse, put into page order.

Everything streams. At any moment a few pages are rendered, as many as the
backend works on plus a small read-ahead, however long the document is.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from typing import Any, Self, cast

from PIL.Image import Image

from ..backends.base import Backend, PageRequest, Reply
from ..concurrency.cancellation import Cancellation, current_cancellation
from ..document.grammar.confidence import block_confidences, page_confidence
from ..document.grammar.parser import parse_page
from ..document.headings import Headings, with_sections
from ..document.text_layer import TextLayer, usable
from ..document.types import Page
from ..errors import BackendReplyError, ReadCancelledError, SourceError
from ..model.prompts import Mode, Task
from ..sources.source import Source
from .cached_pages import KeptPages
from .reorder_buffer import ReorderBuffer

__all__ = ["PageStream"]

READ_AHEAD = 3
"""Pages prepared beyond the one that the backend asked for: with it, one for each of
up to four rendering processes, and too few to matter for memory."""

INK_CONTRAST = 8
"""Grey levels of 255. Where no 4 x 4 block of pixels differs from another by
more, nobody could read anything either."""

STRIP_ROWS = 128
"""Rows that are looked at together, whole blocks of them."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A page that is ready to be asked for, or that ended before it could be."""

    page: Page
    image: Image | None = None
    text_layer: TextLayer | None = None


class PageStream(Iterator[Page]):
    """The pages of one document as they are read, in page order.

    Both an iterator and an async iterator; a context manager for both worlds.
    It ends by itself when the last page was given; leave it early with
    :meth:`close`, from any thread. Should another thread wait for a page then, it
    gets a :class:`~deepseek_ocr_rag.ReadCancelledError`.

    Attributes:
        source: What the document is called.
        sha256: Hash of its bytes.
        total_pages: How many pages the file has.
        page_numbers: The 1-based numbers of the pages that will come.
    """

    def __init__(
        self,
        source: Source,
        page_numbers: tuple[int, ...],
        *,
        backend: Callable[[], Backend],
        task: Task,
        mode: Mode,
        kept: KeptPages | None = None,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.source = source.name
        self.sha256 = source.sha256
        self.total_pages = source.page_count
        self.page_numbers = page_numbers
        self._opened = source
        self._backend = backend
        self._task = task
        self._mode = mode
        self._kept = kept
        # Also for streams that nobody closed.
        self._at_end = weakref.finalize(self, at_end)
        self._at_end.atexit = False
        self._cancellation = Cancellation()
        self._heeding = ExitStack()
        self._heeding.enter_context(current_cancellation().on_cancel(self._cancellation.cancel))
        self._pages = self._run()
        self._worker: ThreadPoolExecutor | None = None

    def __iter__(self) -> PageStream:
        return self

    def __next__(self) -> Page:
        return next(self._pages)

    def __aiter__(self) -> PageStream:
        return self

    async def __anext__(self) -> Page:
        if self._worker is None:
            # One thread for the life of the stream: steps never overlap, and a
            # cancelled step is followed, not interrupted, by the close.
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="dsocr-stream")
        page = await asyncio.get_running_loop().run_in_executor(
            self._worker, next, self._pages, None
        )
        if page is None:
            await self.aclose()
            raise StopAsyncIteration
        return page

    def close(self) -> None:
        """Stop reading and close the file. Closing twice does nothing."""
        self._cancellation.cancel()
        if self._worker is not None:
            self._worker.submit(self._finish).result()
            self._worker.shutdown()
            self._worker = None
        else:
            self._finish()

    async def aclose(self) -> None:
        """Like :meth:`close`, without blocking the event loop."""
        self._cancellation.cancel()
        worker, self._worker = self._worker, None
        if worker is None:
            self._finish()
            return
        finished = worker.submit(self._finish)
        worker.shutdown(wait=False)
        await asyncio.wrap_future(finished)

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
            # Another thread is in it, which has been told to leave it.
            self._pages.close()
        self._release()

    def _release(self) -> None:
        self._heeding.close()
        self._opened.close()
        self._at_end()

    def _run(self) -> Generator[Page]:
        """The pages in page order, each under the headings of those before it."""
        headings: Headings = ()
        try:
            for page in self._in_order():
                blocks, headings = with_sections(page.blocks, headings)
                yield replace(page, blocks=blocks)
        finally:
            self._release()

    def _in_order(self) -> Iterator[Page]:
        """Ask the backend for every page and put its replies into page order."""
        backend = self._backend()
        order = ReorderBuffer(
            self.page_numbers, self._kept.read_by(backend) if self._kept else None
        )
        replies = backend.read(self._requests(backend, order))
        try:
            yield from order.ready()
            for reply in replies:
                if reply.key not in order.asked:
                    raise BackendReplyError(
                        f"the {backend.name} backend replied to a page that it was not asked for",
                        source=self.source,
                    )
                order.end(reply.key, _page_from(reply, order.asked.pop(reply.key)))
                yield from order.ready()
                self._check_wanted()
            self._check_wanted()
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()
            self._opened.close()

        def unanswered(key: int) -> Page:
            page = order.asked.get(key) or Page(self.page_numbers[key], mode=self._mode.name)
            return _unanswered(page, backend)

        yield from order.rest(unanswered)

    def _requests(self, backend: Backend, order: ReorderBuffer) -> Iterator[PageRequest]:
        def prepare(key: int) -> tuple[int, _Prepared]:
            return key, _prepare(self._opened, self.page_numbers[key], backend, self._mode)

        coming = _read_ahead(prepare, order.wanted(), self._opened, self._cancellation)
        for key, prepared in coming:
            self._check_wanted()
            page = prepared.page
            if page.finish_reason != "stop":
                order.end(key, page)
                continue
            order.asked[key] = page
            yield PageRequest(
                key=key,
                page=page.number,
                source=self.source,
                sha256=self.sha256,
                image=prepared.image,
                text_layer=prepared.text_layer,
                task=self._task,
                mode=self._mode,
                width=page.width,
                height=page.height,
                draft=partial(self._opened.text_layer, page.number),
                redraw=partial(self._opened.render, page.number, self._mode.long_side)
                if prepared.image is not None
                else None,
                cancellation=self._cancellation,
            )
        self._check_wanted()

    def _check_wanted(self) -> None:
        if self._cancellation.cancelled:
            raise ReadCancelledError("the reading was cancelled", source=self.source)


def _read_ahead(
    prepare: Callable[[int], tuple[int, _Prepared]],
    keys: Iterable[int],
    source: Source,
    cancellation: Cancellation,
) -> Iterator[tuple[int, _Prepared]]:
    """``map(prepare, keys)``, a few pages ahead and at the same time, in threads of its own.

    It ends early when it is cancelled.
    """
    pending: deque[Future[tuple[int, _Prepared]]] = deque()
    pool = ThreadPoolExecutor(source.parallel_pages, thread_name_prefix="dsocr-render")
    unwanted: Future[Any] = Future()
    try:
        with cancellation.on_cancel(lambda: unwanted.set_result(None)):
            for key in chain(keys, repeat(None)):
                if key is not None:
                    pending.append(pool.submit(prepare, key))
                    if len(pending) <= READ_AHEAD:
                        continue
                elif not pending:
                    break
                either: tuple[Future[Any], ...] = (pending[0], unwanted)
                wait(either, return_when=FIRST_COMPLETED)
                if unwanted.done():
                    source.close()
                    break
                yield pending.popleft().result()
    except BaseException:
        # Ends what is still being rendered, which may take as long as a page may.
        source.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(source: Source, number: int, backend: Backend, mode: Mode) -> _Prepared:
    """Render what the backend needs of a page; a page that cannot be is a failed page."""
    page = Page(number=number, backend=backend.name, model=backend.model, mode=mode.name)
    try:
        info = source.info(number)
        page = replace(page, label=info.label, width=info.width, height=info.height)
        if backend.reads_text_layer:
            layer = source.text_layer(number)
            if layer is not None and usable(layer):
                return _Prepared(page, text_layer=layer)
        if not backend.needs_image:
            return _Prepared(page)
        image = source.render(number, mode.long_side)
    except SourceError as error:
        return _Prepared(replace(page, finish_reason="error", error=str(error)))
    if not _has_ink(image):
        return _Prepared(replace(page, finish_reason="blank"))
    return _Prepared(page, image=image)


def _has_ink(image: Image) -> bool:
    darkest, lightest = 255, 0
    # From the top: on most pages the first strips will do.
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        # The extrema of one grey channel are two numbers; Pillow's types allow for more.
        low, high = cast("tuple[int, int]", strip.convert("L").reduce(4).getextrema())
        darkest, lightest = min(darkest, low), max(lightest, high)
        if lightest - darkest > INK_CONTRAST:
            return True
    return False


def _page_from(reply: Reply, page: Page) -> Page:
    parsed = parse_page(reply.text)
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


def _unanswered(page: Page, backend: Backend) -> Page:
    error = BackendReplyError(
        f"the {backend.name} backend gave no reply for it",
        page=page.number,
        remedy="Read this page again.",
    )
    return replace(
        page,
        backend=backend.name,
        model=backend.model,
        finish_reason="error",
        error=str(error),
    )
