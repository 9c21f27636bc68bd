"""Opens documents and renders their pages one at a time.

A document is given as a path, bytes, a binary file object or, if allowed, a URL. Its
content decides whether it is opened as a PDF or as a picture.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO, Self

from PIL.Image import Image

from ..concurrency.picture_frames import PixelPicture
from ..concurrency.png_pictures import PngPicture, encode_png
from ..document.text_layer import TextLayer
from ..errors import (
    ConfigurationError,
    LimitExceededError,
    PageRangeError,
    SourceError,
    UnsupportedSourceError,
)
from ..threads import thread_errors
from .fetch_policy import FetchPolicy
from .ink import has_ink
from .inputs import SourceInput, read_input
from .isolation.document import IsolatedDocument
from .isolation.expectation import ExpectedDocuments
from .isolation.pool import MOST_WORKERS, shared_pool
from .limits import Limits
from .page_selection import parse_page_selection
from .renderers.content import Content
from .renderers.formats import READABLE, name_format, sniff
from .renderers.opened_document import OpenedDocument, PageInfo
from .renderers.opening import opener_for

__all__ = [
    "ExpectedDocuments",
    "Source",
    "SourceInput",
    "end_unused_workers",
    "open_copied",
    "open_source",
    "parse_page_selection",
    "render_page",
]

_RENDERERS = ("pdfium", "pymupdf")
_SNIFFED_BYTES = 64 * 1024


class Source:
    """An open document, made by :func:`open_source`. Thread-safe; a context manager.

    Page numbers are 1-based.

    Attributes:
        name: Its name in results and messages.
        renderer: The library that draws it if it is a PDF: "pdfium" or "pymupdf".
        page_objects: As in :class:`~deepseek_ocr_rag.sources.limits.Limits`.
        parallel_pages: Number of pages that can be rendered at the same time.
    """

    def __init__(
        self,
        content: Content,
        document: OpenedDocument,
        *,
        renderer: str,
        page_objects: int,
        parallel_pages: int,
    ) -> None:
        self.name = content.name
        self.renderer = renderer
        self.page_objects = page_objects
        self.parallel_pages = parallel_pages
        self._content = content
        self._document = document
        self._sha256: str | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        return self._document.page_count

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes, 64 hex digits; computed at the first use."""
        with self._lock:
            if self._sha256 is None:
                self._sha256 = self._content.sha256()
            return self._sha256

    def open_content(self) -> BinaryIO:
        """Open the document's bytes as a new binary file, at its start.

        Raises:
            SourceError: If the document is closed.
        """
        if self._closed:
            raise _closed(self.name)
        return self._content.open()

    @thread_errors()
    def info(self, number: int) -> PageInfo:
        """Return the size and printed label of a page.

        Raises:
            PageRangeError: If the file has no such page.
            PageRenderError: If the page is damaged.
        """
        return self._page(number).info(number)

    @thread_errors()
    def render(self, number: int, long_side: int) -> Image:
        """Render a page as it is displayed, in RGB on white.

        Args:
            number: The page.
            long_side: Pixels of its longer side. PDF pages get exactly this
                many, whatever their size in points; pictures are reduced to
                it, but never enlarged.

        Raises:
            PageRangeError: If the file has no such page.
            PageRenderError: If the page is damaged.
            LimitExceededError: If it is too large or takes too long.
        """
        return self._page(number).render(number, long_side)

    @thread_errors()
    def render_png(self, number: int, long_side: int) -> PngPicture | None:
        """Render a page as a PNG file; None if the page is blank.

        The file is made in the process that draws the page, which costs half as much as passing on
        the pixels and encoding them here. Arguments and errors are those of :meth:`render`.
        """
        document = self._page(number)
        if isinstance(document, IsolatedDocument):
            return document.render_png(number, long_side)
        image = document.render(number, long_side)
        return encode_png(image) if has_ink(image) else None

    @thread_errors()
    def render_pixels(self, number: int, long_side: int) -> PixelPicture | None:
        """Render a page as raw pixels, to be passed on; None if the page is blank.

        Arguments and errors are those of :meth:`render`.
        """
        document = self._page(number)
        if isinstance(document, IsolatedDocument):
            return document.render_pixels(number, long_side)
        image = document.render(number, long_side)
        return PixelPicture.of(image) if has_ink(image) else None

    @thread_errors()
    def text_layer(self, number: int) -> TextLayer | None:
        """Read a page's text layer; None for pictures, which have none.

        Raises:
            PageRangeError: If the file has no such page.
            PageRenderError: If the page is damaged.
            LimitExceededError: If it has too many characters, or takes too long.
        """
        return self._page(number).text_layer(number)

    def draw_for(self, cards: int) -> int:
        """Set how many pages are drawn at the same time, for this many cards; return the number.

        It never exceeds the number of cores, and is 1 if pages are drawn in this process.
        """
        if cards > 1 and self.parallel_pages > 1:
            self.parallel_pages = shared_pool().widen(MOST_WORKERS * cards)
        return self.parallel_pages

    def close(self) -> None:
        """Free the file; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._document.close()
                self._content.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _page(self, number: int) -> OpenedDocument:
        if self._closed:
            raise _closed(self.name)
        if not 1 <= number <= self.page_count:
            raise PageRangeError(
                f"there is no page {number}, the document has {self.page_count}",
                source=self.name,
                remedy=f"Name a page from 1 to {self.page_count}.",
            )
        return self._document


@thread_errors()
def open_source(
    source: SourceInput,
    *,
    password: str | None = None,
    renderer: str = "pdfium",
    limits: Limits | None = None,
    allow_urls: bool | FetchPolicy = False,
    name: str | None = None,
    isolated: bool = True,
) -> Source:
    """Open a document.

    Args:
        source: A path; the file's bytes; a binary file object, which is read from
            its start if it can be rewound; or a URL.
        password: For encrypted PDFs.
        renderer: "pdfium", or "pymupdf" (needs the extra of that name). It is for
            PDFs only; Pillow opens all pictures.
        limits: The defaults of :class:`~deepseek_ocr_rag.sources.limits.Limits` if None.
        allow_urls: True allows https URLs of public hosts; a
            :class:`~deepseek_ocr_rag.sources.fetch_policy.FetchPolicy` says which instead.
        name: What to call the document in results and messages; by default the
            path, the URL without its password, or the file object's own name.
        isolated: Whether the libraries that parse and draw run in their own
            processes, limited in time and memory, where a crash is only an error.
            Turn it off only for documents that you trust, on systems that cannot
            start processes.

    Returns:
        The document; close it, or use it in a ``with`` block.

    Raises:
        ConfigurationError: If an argument is invalid.
        MissingExtraError: If the renderer is not installed.
        SourceError: If the document cannot be read; see
            :mod:`~deepseek_ocr_rag.errors` for its kinds.

    Example:
        >>> with open_source("scan.pdf") as scan:  # doctest: +SKIP
        ...     picture = scan.render(1, long_side=1280)
    """
    return open_copied(
        source,
        lambda digest: None,
        password=password,
        renderer=renderer,
        limits=limits,
        allow_urls=allow_urls,
        name=name,
        isolated=isolated,
    )


@thread_errors()
def open_copied(
    source: SourceInput,
    on_copied: Callable[[Callable[[], str]], object],
    *,
    password: str | None = None,
    renderer: str = "pdfium",
    limits: Limits | None = None,
    allow_urls: bool | FetchPolicy = False,
    name: str | None = None,
    isolated: bool = True,
) -> Source:
    """Do what :func:`open_source` does, and call ``on_copied`` once there is a copy of the document.

    The copy has a format that can be read; opening it takes another third of a second. ``on_copied``
    gets a function that returns the document's SHA-256, in 64 hex digits.
    """
    if renderer not in _RENDERERS:
        raise ConfigurationError(
            f"there is no renderer {renderer!r}", remedy=f"Use one of {', '.join(_RENDERERS)}."
        )
    limits = limits or Limits()
    content = read_input(source, limits, allow_urls, name)
    try:
        found = _format_of(content)
        on_copied(content.sha256)
        document = _open_document(content, found, password, renderer, limits, isolated)
        try:
            _check_pages(document.page_count, content.name, limits)
        except BaseException:
            document.close()
            raise
    except BaseException:
        content.close()
        raise
    return Source(
        content,
        document,
        renderer=renderer,
        page_objects=limits.page_objects,
        parallel_pages=MOST_WORKERS if isolated else 1,
    )


def render_page(
    source: SourceInput,
    number: int = 1,
    *,
    long_side: int = 1280,
    password: str | None = None,
    renderer: str = "pdfium",
) -> Image:
    """Render one page of a document as a picture.

    Args:
        source: As for :func:`open_source`.
        number: The page, 1-based.
        long_side: Pixels of its longer side.
        password: For an encrypted PDF.
        renderer: "pdfium" or "pymupdf".

    Returns:
        The page in RGB.

    Raises:
        SourceError: If the document or the page cannot be read.
    """
    with open_source(source, password=password, renderer=renderer) as opened:
        return opened.render(number, long_side)


def end_unused_workers() -> None:
    """End the worker processes, unless a document is open or expected.

    Otherwise they end ten seconds after the last document was closed (ten minutes while another is
    expected), or with this process.
    """
    shared_pool().end_if_unused()


def _format_of(content: Content) -> str:
    head, tail = content.ends(_SNIFFED_BYTES)
    found = sniff(head, tail)
    if found is None:
        raise _unsupported(content.name, head)
    return found


def _open_document(
    content: Content,
    format: str,
    password: str | None,
    renderer: str,
    limits: Limits,
    isolated: bool,
) -> OpenedDocument:
    if isolated:
        return IsolatedDocument(
            content, format=format, renderer=renderer, password=password, limits=limits
        )
    return opener_for(format, renderer)(content, password, limits)


def _closed(name: str) -> SourceError:
    return SourceError("the document is closed", source=name, remedy="Open it again.")


def _unsupported(name: str, head: bytes) -> UnsupportedSourceError:
    known = name_format(head)
    remedy = f"Supported are {READABLE}."
    if known in ("HEIC", "AVIF"):
        remedy = f"Convert it to JPEG or PNG first. {remedy}"
    elif known is not None:
        remedy = f"Convert it to PDF first. {remedy}"
    problem = f"it is {known}, which is not read" if known else "it is neither a PDF nor a picture"
    return UnsupportedSourceError(problem, source=name, remedy=remedy)


def _check_pages(count: int, name: str, limits: Limits) -> None:
    if count > limits.pages:
        raise LimitExceededError(
            f"the document has {count:,} pages and the limit is {limits.pages:,}",
            source=name,
            remedy="Split it, or raise Limits(pages=...).",
        )
