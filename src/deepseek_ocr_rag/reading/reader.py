"""The way in: :class:`Reader` turns a source into pages or a whole document.

::

    with Reader() as reader:
        document = reader.read("report.pdf")
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Self

from PIL.Image import Image

from ..backends.base import Backend
from ..backends.registry import backend_named
from ..concurrency.cancellation import run_releasing
from ..document.types import OcrDocument, Page
from ..model.prompts import mode_named, task_named
from ..sources.fetch_policy import FetchPolicy
from ..sources.limits import Limits
from ..sources.source import (
    Source,
    SourceInput,
    end_unused_workers,
    open_source,
    parse_page_selection,
)
from .admission import MOST_DOCUMENTS, DocumentLimit
from .cache import PageCache
from .cache_key import PageKey, renderer_version
from .cached_pages import KeptPages, cache_named
from .page_stream import PageStream

__all__ = ["PageStream", "Progress", "Reader"]

Progress = Callable[[Page, int, int], None]
"""Called after every page with the page, how many are done, and how many there are."""


class Reader:
    """Reads documents: the way in for everybody.

    Args:
        backend: Who reads: a :class:`~deepseek_ocr_rag.Backend`, or "auto"
            (the best that is there), "lite", "ollama", "ollama/<model>",
            "server", "server:<base url>", "transformers", "transformers:<folder or
            hub id>", "official:<folder or hub id>", "replay:<file>".
        mode: Resolution: tiny, small, base, large or gundam.
        task: What to ask: document, ocr, free, figure, describe,
            "locate: <what>", or "prompt: <your own words>".
        renderer: "pdfium", or "pymupdf" with the extra of that name.
        limits: What a document may cost.
        allow_urls: Whether a source may be a URL. Off, because whoever names
            the source (an agent, say) then chooses what this machine fetches.
            A :class:`~deepseek_ocr_rag.FetchPolicy` says which exactly.
        allow_remote_code: Whether the backend "official:<folder>" may run the
            code that lies beside the weights.
        isolated: Whether documents are parsed and rendered in processes of
            their own, as in :func:`~deepseek_ocr_rag.open_source`.
        cache: Where finished pages are kept, so that a read that was broken off
            goes on where it stopped and nothing is read twice: True for this
            user's cache folder, a folder, a :class:`~deepseek_ocr_rag.PageCache`,
            or False for nowhere. Kept are the pages of backends that say what
            their text depends on (:class:`~deepseek_ocr_rag.Repeatable`): all of
            ours but "replay".
        most_documents: How many may be read at the same time, those that wait for
            their turn included. Threads and coroutines may share a reader: pages
            of different documents take turns.

    Raises:
        ConfigurationError: If an argument names nothing, or ``most_documents`` is below 1.

    Example:
        >>> with Reader(backend="lite") as reader:  # doctest: +SKIP
        ...     for page in reader.iter_pages("report.pdf", pages="1-3"):
        ...         print(page.number, page.markdown[:60])
    """

    def __init__(
        self,
        backend: Backend | str = "auto",
        *,
        mode: str = "gundam",
        task: str = "document",
        renderer: str = "pdfium",
        limits: Limits | None = None,
        allow_urls: bool | FetchPolicy = False,
        allow_remote_code: bool = False,
        isolated: bool = True,
        cache: PageCache | str | os.PathLike[str] | bool = True,
        most_documents: int = MOST_DOCUMENTS,
    ) -> None:
        self._spec = backend if isinstance(backend, str) else backend.name
        self._given = None if isinstance(backend, str) else backend
        self._made: Backend | None = None
        self._making = threading.Lock()
        self._mode = mode_named(mode)
        self._task = task_named(task)
        self._renderer = renderer
        self._limits = limits or Limits()
        self._allow_urls = allow_urls
        self._allow_remote_code = allow_remote_code
        self._isolated = isolated
        self._cache = cache_named(cache)
        self._admission = DocumentLimit(most_documents)

    def __repr__(self) -> str:
        return f"Reader({self._spec!r}, mode={self._mode.name!r}, task={self._task.name!r})"

    @property
    def url_policy(self) -> FetchPolicy | None:
        """Which URLs may be read; None where none may."""
        return FetchPolicy() if self._allow_urls is True else self._allow_urls or None

    @property
    def backend(self) -> Backend:
        """Who reads. One that was named is made on first use and then kept.

        Raises:
            BackendError: If it cannot work here.
        """
        if self._given is not None:
            return self._given
        with self._making:
            if self._made is None:
                self._made = backend_named(self._spec, allow_remote_code=self._allow_remote_code)
            return self._made

    def open(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> PageStream:
        """Open a document; its pages are read as the stream is iterated.

        Args:
            source: Path, bytes, binary file, or URL (with ``allow_urls``).
            pages: Which pages, 1-based: ``"1-3,7"`` or ``[1, 2, 3, 7]``.
            password: For an encrypted PDF.
            name: What to call the source in results, where it has no name.

        Returns:
            The stream, which must be run to its end or closed.

        Raises:
            BusyError: If ``most_documents`` are being read.
            SourceError: If the document cannot be opened.
        """
        self._admission.enter()
        try:
            return self._stream(source, pages, password, name)
        except BaseException:
            self._admission.leave()
            raise

    def _stream(
        self,
        source: SourceInput,
        pages: str | Sequence[int] | None,
        password: str | None,
        name: str | None,
    ) -> PageStream:
        opened = self._opened(source, password, name)
        try:
            numbers = parse_page_selection(pages, opened.page_count, source=opened.name)
            return PageStream(
                opened,
                numbers,
                backend=lambda: self.backend,
                task=self._task,
                mode=self._mode,
                kept=self._kept(opened),
                at_end=self._admission.leave,
            )
        except BaseException:
            opened.close()
            raise

    def iter_pages(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> Iterator[Page]:
        """The pages as they are read, in order; arguments as in :meth:`open`."""
        with self.open(source, pages=pages, password=password, name=name) as stream:
            yield from stream

    def read(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
        on_page: Progress | None = None,
    ) -> OcrDocument:
        """Read a whole document.

        Args:
            source: As in :meth:`open`, like the next three.
            pages: Which pages.
            password: For an encrypted PDF.
            name: What to call the source.
            on_page: Called after every page.

        Returns:
            All pages that were asked for. A page that failed is among them,
            with its error.

        Raises:
            SourceError: If the document cannot be opened.
            BackendError: If no page can be read at all.
        """
        done: list[Page] = []
        with self.open(source, pages=pages, password=password, name=name) as stream:
            for page in stream:
                done.append(page)
                if on_page is not None:
                    on_page(page, len(done), len(stream.page_numbers))
        return _document(stream, done)

    def locate(
        self,
        what: str,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> OcrDocument:
        """Ask where something stands; for this, the task of the reader does not count.

        Args:
            what: In words: "the total", "the signature".
            source: As in :meth:`open`, like the rest.
            pages: Which pages.
            password: For an encrypted PDF.
            name: What to call the source.

        Returns:
            The pages; ``page.boxes`` is where it stands, empty where the model
            named no place. A page that failed has its error.

        Raises:
            ConfigurationError: If ``what`` is empty.
            SourceError: If the document cannot be opened.
            BackendError: If no page can be read at all.

        Example:
            >>> found = reader.locate("the total", "invoice.pdf")  # doctest: +SKIP
            >>> {page.number: page.boxes for page in found if page.boxes}  # doctest: +SKIP
        """
        reader = Reader(
            self.backend,
            mode=self._mode.name,
            task=f"locate: {what}",
            renderer=self._renderer,
            limits=self._limits,
            allow_urls=self._allow_urls,
            isolated=self._isolated,
            cache=self._cache or False,
        )
        reader._admission = self._admission
        return reader.read(source, pages=pages, password=password, name=name)

    def render_page(
        self,
        source: SourceInput,
        number: int,
        *,
        long_side: int = 1280,
        password: str | None = None,
        name: str | None = None,
    ) -> Image:
        """A page as it is displayed: to draw boxes on, or to look at.

        Args:
            source: As in :meth:`open`.
            number: The page, 1-based.
            long_side: Pixels of its longer side, see :meth:`Source.render`.
            password: For an encrypted PDF.
            name: What to call the source.

        Returns:
            The page in RGB.

        Raises:
            SourceError: If the document or the page cannot be read.
        """
        with self._opened(source, password, name) as opened:
            return opened.render(number, long_side)

    async def aiter_pages(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> AsyncIterator[Page]:
        """:meth:`iter_pages` without blocking the event loop."""
        stream = await run_releasing(
            lambda: self.open(source, pages=pages, password=password, name=name), PageStream.close
        )
        async with stream:
            async for page in stream:
                yield page

    async def aread(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
        on_page: Progress | None = None,
    ) -> OcrDocument:
        """:meth:`read` without blocking the event loop."""
        done: list[Page] = []
        stream = await run_releasing(
            lambda: self.open(source, pages=pages, password=password, name=name), PageStream.close
        )
        async with stream:
            async for page in stream:
                done.append(page)
                if on_page is not None:
                    on_page(page, len(done), len(stream.page_numbers))
        return _document(stream, done)

    def _opened(self, source: SourceInput, password: str | None, name: str | None) -> Source:
        return open_source(
            source,
            password=password,
            renderer=self._renderer,
            limits=self._limits,
            allow_urls=self._allow_urls,
            name=name,
            isolated=self._isolated,
        )

    def _kept(self, opened: Source) -> KeptPages | None:
        if self._cache is None:
            return None
        key = PageKey(
            sha256=opened.sha256,
            page=0,
            renderer=renderer_version(self._renderer),
            task=self._task,
            mode=self._mode,
            page_objects=self._limits.page_objects,
        )
        return KeptPages(self._cache, key)

    def close(self) -> None:
        """Close the backend if this reader made it; one that was given belongs to its giver.

        Rendering processes end too, unless another document is being read.
        """
        with self._making:
            made, self._made = self._made, None
        if made is not None:
            made.close()
        if self._cache is not None:
            self._cache.close()
        end_unused_workers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _document(stream: PageStream, pages: list[Page]) -> OcrDocument:
    return OcrDocument(stream.source, tuple(pages), stream.total_pages, stream.sha256)
