"""Reads the pages of one document with a backend: prepare, ask, parse, restore page order.

Only a few rendered pages exist at any moment (those the backend works on, plus a
small read-ahead), however long the document is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial

from ..backends.base import Backend, PageRequest, Reply, begin_loading, cards_of
from ..document.grammar.confidence import block_confidences, page_confidence
from ..document.grammar.parser import parse_page
from ..document.types import Page
from ..errors import BackendReplyError, BackendUnavailableError
from ..model.prompts import Mode, Task
from ..sources.source import Source
from .cache import PageCache
from .cached_pages import CachedPages, PageKey, renderer_version
from .page_stream import PageStream
from .preparation import PreparedPage, prepare_page, read_ahead, resolution_of
from .reorder_buffer import ReorderBuffer

__all__ = ["BackendStream", "page_from_reply"]

_log = logging.getLogger("deepseek_ocr_rag")


class BackendStream(PageStream):
    """The pages of one document, read by a backend of this process."""

    def __init__(
        self,
        source: Source,
        page_numbers: tuple[int, ...],
        *,
        backend: Callable[[], Backend],
        task: Task,
        mode: Mode,
        cache: PageCache | None = None,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(source, page_numbers, on_end=on_end)
        self._backend = backend
        self._task = task
        self._mode = mode
        self._cached = None if cache is None else CachedPages(cache, _page_key(source, task, mode))

    def _pages_in_order(self) -> Generator[Page]:
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
                if reply.error_type is not None:
                    self.error_types[page.number] = reply.error_type
                buffer.add(reply.key, read)
                _log.debug("page %d of %s: %s", read.number, self.source, read.finish_reason)
                self._tell_of(buffer)
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
            self.error_types[page.number] = BackendReplyError.__name__
            return _unanswered_page(page, backend)

        yield from self._told(buffer, buffer.rest(missing))

    def _requests(self, backend: Backend, buffer: ReorderBuffer) -> Iterator[PageRequest]:
        def prepare(key: int) -> tuple[int, PreparedPage]:
            return key, self._prepared(self.page_numbers[key], backend)

        for key, prepared in read_ahead(
            prepare,
            self._uncached(backend, buffer),
            self._opened,
            self._cancellation,
            partial(cards_of, backend),
        ):
            self._check_cancelled()
            page = prepared.page
            if page.finish_reason != "stop":
                if prepared.error_type is not None:
                    self.error_types[page.number] = prepared.error_type
                buffer.add(key, page)
                self._tell_of(buffer)
                continue
            buffer.requested[key] = page
            self._tell_of(buffer)
            yield PageRequest(
                key=key,
                page=page.number,
                source=self.source,
                sha256=self.sha256,
                image=prepared.image,
                png=prepared.png,
                pixels=prepared.pixels,
                text_layer=prepared.text_layer,
                task=self._task,
                resolution=self._mode,
                width=page.width,
                height=page.height,
                draft=partial(self._opened.text_layer, page.number),
                redraw=partial(self._opened.render, page.number, self._mode.long_side)
                if prepared.image or prepared.png or prepared.pixels
                else None,
                cancellation=self._cancellation,
                following=len(self.page_numbers) - key - 1,
            )
        self._check_cancelled()

    def _uncached(self, backend: Backend, buffer: ReorderBuffer) -> Iterator[int]:
        for count, key in enumerate(buffer.uncached()):
            if count == 0:
                # Load the model now at the latest, but not if all pages are in the cache.
                begin_loading(backend)
            yield key

    def _prepared(self, number: int, backend: Backend) -> PreparedPage:
        return prepare_page(self._opened, number, backend, self._mode)

    def _told(self, buffer: ReorderBuffer, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            self._tell_of(buffer)
            yield page

    def _tell_of(self, buffer: ReorderBuffer) -> None:
        # list: another thread may be adding to it.
        self._tell(buffer.done, [page.number for page in list(buffer.requested.values())])


def _page_key(source: Source, task: Task, mode: Mode) -> PageKey:
    return PageKey(
        sha256=source.sha256,
        page=0,
        renderer=renderer_version(source.renderer),
        task=task,
        mode=mode,
        page_objects=source.page_objects,
    )


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
