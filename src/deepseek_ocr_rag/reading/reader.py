"""Reads a document into pages: :class:`Reader`, the main class of the package."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from PIL.Image import Image

from ..backends.base import Backend, on_loading
from ..backends.registry import backend_named
from ..concurrency.cancellation import run_releasing
from ..concurrency.shared_object import SharedObject
from ..document.types import OcrDocument, Page
from ..errors import BusyError, ConfigurationError
from ..model.prompts import Task, mode_named, task_named
from ..setting_names import renamed_setting, with_known_settings
from ..sources.fetch_policy import FetchPolicy
from ..sources.limits import Limits
from ..sources.source import (
    Source,
    SourceInput,
    end_unused_workers,
    open_copied,
    parse_page_selection,
)
from .backend_stream import BackendStream
from .cache import PageCache
from .cached_pages import resolve_cache
from .early_start import EarlyStart
from .folder_reading import FolderReading
from .page_stream import PageStream, ReadRequest
from .progress_bar import ProgressBar

__all__ = ["BackendChoice", "Progress", "Reader"]

MOST_DOCUMENTS: Final = 128
"""Most open documents by default: each costs a few threads and an open file."""

BackendChoice = Backend | str  # a backend, or its name

Progress = Callable[[Page, int, int], None]
"""Called after every page with the page, the number of pages done, and the total."""


@renamed_setting("mode", "resolution")
@with_known_settings()
class Reader(SharedObject, FolderReading):
    """Reads documents. Threads and coroutines may share one.

    Args:
        backend: What reads the pages: a :class:`~deepseek_ocr_rag.backends.Backend`, or
            "auto" (the best one available), "lite", "ollama", "ollama/<model>",
            "server", "server:<base url>", "local" or "transformers" (a GPU of your own),
            "official", the last three also with ":<folder or hub id>", "replay:<file>".
            For a service (``dsocr serve``), use a
            :class:`~deepseek_ocr_rag.service.ServiceReader` instead of a Reader.
        resolution: How finely the model sees a page. "tiny", "small", "base" and "large"
            give it one picture of 512, 640, 1024 or 1280 pixels; "gundam", the default
            and the best for small print, gives it one of 1024 and, for a large page, up
            to nine detailed tiles. ``lite`` has no such setting. ``mode``, its old
            name, still works for one release.
        task: What to ask of each page: document, ocr, free, figure, describe,
            "locate: <what>", or "prompt: <your own words>".
        renderer: "pdfium", or "pymupdf" with the extra of that name.
        limits: Limits on size, pages and time of one document.
        allow_urls: Whether a source may be a URL; a
            :class:`~deepseek_ocr_rag.FetchPolicy` restricts which. Off by default,
            because whoever names the source (an agent, say) would choose what this
            machine fetches.
        allow_remote_code: Whether the backend "official:<folder>" may run the
            code that comes with the weights.
        isolated: Whether documents are parsed and rendered in separate processes,
            as in :func:`~deepseek_ocr_rag.open_source`.
        cache: Where finished pages are stored, so that an interrupted read resumes
            where it stopped and no page is read twice: True for this user's cache
            folder, a folder, a :class:`~deepseek_ocr_rag.PageCache`, or False for
            no cache. Only pages of backends that implement
            :class:`~deepseek_ocr_rag.backends.Repeatable` are stored: all built-in ones but
            "replay".
        most_documents: How many documents may be open at the same time. Their pages
            take turns at the backend.

    Raises:
        ConfigurationError: If an argument is unknown, or ``most_documents`` is below 1.

    Example:
        >>> with Reader(backend="lite") as reader:  # doctest: +SKIP
        ...     for page in reader.iter_pages("report.pdf", pages="1-3"):
        ...         print(page.number, page.markdown[:60])
    """

    _process_bound: ClassVar[tuple[str, ...]] = (
        "_made",
        "_backend_lock",
        "_free_documents",
        "_early",
    )

    def __init__(
        self,
        backend: Backend | str = "auto",
        *,
        resolution: str = "gundam",
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
        self._mode = mode_named(resolution)
        self._task = task_named(task)
        self._renderer = renderer
        self._limits = limits or Limits()
        self._allow_urls = allow_urls
        self._allow_remote_code = allow_remote_code
        self._isolated = isolated
        self._cache = resolve_cache(cache)
        if most_documents < 1:
            raise ConfigurationError(
                f"most_documents={most_documents} is too small", remedy="Give 1 or more."
            )
        self._most_documents = most_documents
        self._start()

    def __repr__(self) -> str:
        given = f"{self._spec!r}, resolution={self._mode.name!r}, task={self._task.name!r}"
        return f"{type(self).__name__}({given})"

    def _start(self) -> None:
        self._made: Backend | None = None
        self._backend_lock = threading.Lock()
        self._free_documents = threading.BoundedSemaphore(self._most_documents)
        self._early = EarlyStart(self._renderer, self._mode, self._limits, self._cache)
        if self._given is not None and self._isolated:
            on_loading(self._given, self._early.start_drawing_process)

    @property
    def url_policy(self) -> FetchPolicy | None:
        """Which URLs may be read; None for no URLs."""
        return FetchPolicy() if self._allow_urls is True else self._allow_urls or None

    @property
    def backend(self) -> Backend:
        """What reads the pages. A backend given by name is created on first use.

        Raises:
            BackendError: If it does not work on this machine.
        """
        if self._given is not None:
            return self._given
        with self._backend_lock:
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
            name: What to call the source in results, instead of its own name.

        Returns:
            The stream; iterate over it to the end, or close it.

        Raises:
            BusyError: If ``most_documents`` are open already.
            SourceError: If the document cannot be opened.
        """
        return self._open_stream(source, pages, password, name, self._task)

    def _open_stream(
        self,
        source: SourceInput,
        pages: str | Sequence[int] | None,
        password: str | None,
        name: str | None,
        task: Task,
    ) -> PageStream:
        if not self._free_documents.acquire(blocking=False):
            count = self._most_documents
            raise BusyError(
                f"the reader is busy with {count} document{'s' if count > 1 else ''}",
                remedy="Try again in a moment, or raise most_documents.",
            )
        try:
            opened = self._open_source(
                source,
                password,
                name,
                # A backend given by name may take long to create, so the first page creates it.
                lambda digest: self._early.load(self._given or self._made, digest, pages, task),
            )
            return self._stream(opened, pages, ReadRequest(task, self._mode, password))
        except BaseException:
            self._free_documents.release()
            raise

    def _stream(
        self, opened: Source, pages: str | Sequence[int] | None, request: ReadRequest
    ) -> PageStream:
        try:
            numbers = parse_page_selection(pages, opened.page_count, source=opened.name)
            return self._stream_of(opened, numbers, request)
        except BaseException:
            opened.close()
            raise

    def _stream_of(
        self, opened: Source, numbers: tuple[int, ...], request: ReadRequest
    ) -> PageStream:
        return BackendStream(
            opened,
            numbers,
            backend=lambda: self.backend,
            task=request.task,
            mode=request.mode,
            cache=self._cache,
            on_end=self._free_documents.release,
        )

    def read(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
        on_page: Progress | None = None,
        show_progress: bool = False,
    ) -> OcrDocument:
        """Read a whole document.

        Args:
            source: As in :meth:`open`, like the next three.
            pages: Which pages, 1-based.
            password: For an encrypted PDF.
            name: What to call the source.
            on_page: Called after every page, in their order.
            show_progress: Whether to show a bar, in a terminal or a notebook.

        Returns:
            The document with all selected pages. A page that failed is among them,
            with its error.

        Raises:
            SourceError: If the document cannot be opened.
            BackendError: If the backend cannot read any page.
        """
        done: list[Page] = []
        with (
            ProgressBar(show=show_progress) as bar,
            self.open(source, pages=pages, password=password, name=name) as stream,
        ):
            bar.follow(stream)
            for page in stream:
                done.append(page)
                if on_page is not None:
                    on_page(page, len(done), len(stream.page_numbers))
        return stream.document(done)

    def locate(
        self,
        what: str,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> OcrDocument:
        """Find where something is on each page; the reader's own task is not used.

        Args:
            what: What to find, in words: "the total", "the signature".
            source: As in :meth:`open`, like the rest.
            pages: Which pages, 1-based.
            password: For an encrypted PDF.
            name: What to call the source.

        Returns:
            The pages; ``page.boxes`` says where it is, and is empty if the model did
            not find it. A page that failed has its error.

        Raises:
            ConfigurationError: If ``what`` is empty.
            SourceError: If the document cannot be opened.
            BackendError: If the backend cannot read any page.

        Example:
            >>> found = reader.locate("the total", "invoice.pdf")  # doctest: +SKIP
            >>> {page.number: page.boxes for page in found if page.boxes}  # doctest: +SKIP
        """
        task = task_named(f"locate: {what}")
        with self._open_stream(source, pages, password, name, task) as stream:
            return stream.document(stream)

    def render_page(
        self,
        source: SourceInput,
        number: int,
        *,
        long_side: int = 1280,
        password: str | None = None,
        name: str | None = None,
    ) -> Image:
        """Render a page as it is displayed, to look at or to draw boxes on.

        Args:
            source: As in :meth:`open`.
            number: Page number, 1-based.
            long_side: Pixels of its longer side, as in :meth:`Source.render`.
            password: For an encrypted PDF.
            name: What to call the source.

        Returns:
            The page in RGB.

        Raises:
            SourceError: If the document or the page cannot be read.
        """
        with self._open_source(source, password, name) as opened:
            return opened.render(number, long_side)

    async def aread(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
        on_page: Progress | None = None,
        show_progress: bool = False,
    ) -> OcrDocument:
        """:meth:`read` without blocking the event loop."""
        done: list[Page] = []
        stream = await run_releasing(
            lambda: self.open(source, pages=pages, password=password, name=name), PageStream.close
        )
        with ProgressBar(show=show_progress) as bar:
            async with stream:
                bar.follow(stream)
                async for page in stream:
                    done.append(page)
                    if on_page is not None:
                        on_page(page, len(done), len(stream.page_numbers))
        return stream.document(done)

    def _open_source(
        self,
        source: SourceInput,
        password: str | None,
        name: str | None,
        on_copied: Callable[[Callable[[], str]], object] = lambda digest: None,
    ) -> Source:
        return open_copied(
            source,
            on_copied,
            password=password,
            renderer=self._renderer,
            limits=self._limits,
            allow_urls=self._allow_urls,
            name=name,
            isolated=self._isolated,
        )

    def close(self) -> None:
        """Close the backend if this reader created it; one that was passed in stays open.

        Also closes the cache, and ends idle rendering processes unless a document is open.
        """
        self._early.close()
        with self._backend_lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()
        if self._cache is not None:
            self._cache.close()
        end_unused_workers()
