"""Opens PDFs with PyMuPDF, an optional second renderer (AGPL or commercial licence).

MuPDF is not thread-safe, so every call to it holds :data:`LOCK`. It cannot be
interrupted from Python either, so ``Limits.page_seconds`` is only checked
between its steps: a page that takes too long still fails, but late.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from ...document.text_layer import TextLayer
from ...errors import CorruptSourceError, DeepSeekOCRError, MissingExtraError, PageRenderError
from ...installing import install_command
from ..limits import Limits
from .content import Content
from .opened_document import PageInfo
from .pymupdf_layer import Handle, read_layer
from .sizes import PageChecks, no_pages, normalized, page_failed, password_refused, short_label

__all__ = ["LOCK", "PymupdfDocument"]

LOCK = threading.RLock()
"""Held during every call to MuPDF in this process."""

# As in pdfium.py: freed by the next call, not by the garbage collector.
_abandoned: deque[Any] = deque()


@contextmanager
def _locked() -> Iterator[None]:
    with LOCK:
        while _abandoned:
            _abandoned.popleft().close()
        yield


class PymupdfDocument:
    """A PDF open in PyMuPDF. Thread-safe. A file is read from disk as needed."""

    def __init__(self, content: Content, password: str | None, limits: Limits) -> None:
        self._name = content.name
        self._limits = limits
        self._mupdf = _import()
        with _locked():
            self._document: Any = self._open(content)
            self._finalizer = weakref.finalize(self, _abandoned.append, self._document)
            self._finalizer.atexit = False
            try:
                self._unlock(password)
                self._pages = self._count()
            except BaseException:
                self.close()
                raise

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        return self._pages

    def info(self, number: int) -> PageInfo:
        """Return the size and label of a page."""
        with self._page(number) as page:
            rect = page.rect
            return PageInfo(rect.width, rect.height, short_label(page.get_label() or ""))

    def render(self, number: int, long_side: int) -> Image.Image:
        """Render the displayed page with annotations and form fields, on white."""
        checks = PageChecks(self._limits, self._name, number)
        with self._page(number) as page:
            rect = page.rect
            width, height = checks.fitted(rect.width, rect.height, long_side)
            _check_images(page, checks)
            checks.check_time()
            scale = self._mupdf.Matrix(width / rect.width, height / rect.height)
            pixels = page.get_pixmap(matrix=scale, colorspace=self._mupdf.csRGB, alpha=False)
            checks.check_time()
            picture = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples)
            # MuPDF rounds the edges of the page outwards, which may add a pixel.
            return picture if picture.size == (width, height) else picture.resize((width, height))

    def text_layer(self, number: int) -> TextLayer:
        """Read the words, rules and pictures of a page; a scan has no words."""
        checks = PageChecks(self._limits, self._name, number)
        with self._page(number) as page:
            layer = read_layer(page, checks)
            checks.check_time()
            return layer

    def close(self) -> None:
        """Free the file."""
        with _locked():
            if self._document is not None and self._finalizer.detach():
                self._document.close()
            self._document = None

    def _open(self, content: Content) -> Handle:
        try:
            if content.path is None:
                return self._mupdf.open(stream=content.data, filetype="pdf")
            return self._mupdf.open(str(content.path), filetype="pdf")
        except Exception as error:
            raise self._damaged() from error

    def _unlock(self, password: str | None) -> None:
        if not self._document.needs_pass:
            return
        if password is None or not any(map(self._opens, (password, normalized(password)))):
            raise password_refused(self._name, password)

    def _opens(self, password: str) -> bool:
        try:
            return bool(self._document.authenticate(password))
        except (UnicodeError, TypeError):
            # No PDF can have a password with lone surrogates.
            return False

    def _count(self) -> int:
        try:
            count: int = self._document.page_count
        except Exception as error:
            raise self._damaged() from error
        if count < 1 or not self._document.is_pdf:
            raise no_pages(self._name)
        return count

    def _damaged(self) -> CorruptSourceError:
        return CorruptSourceError(
            "the PDF is damaged or truncated and cannot be opened",
            source=self._name,
            remedy="Get an intact copy, or repair it, for example with qpdf.",
        )

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        """Load a page, and translate MuPDF's errors."""
        with _locked():
            if self._document is None:
                raise PageRenderError(
                    "the document is closed", source=self._name, remedy="Open it again."
                )
            try:
                yield self._document.load_page(number - 1)
            except DeepSeekOCRError:
                raise
            except Exception as error:
                raise page_failed(self._name, number) from error


def _check_images(page: Handle, checks: PageChecks) -> None:
    # xref, soft mask, width, height, bits a component, ...
    for image in page.get_images(full=True):
        checks.check_image(image[2] * image[3] / (24 if image[4] == 1 else 1))


def _import() -> Handle:
    try:
        import pymupdf
    except ModuleNotFoundError as error:
        if error.name != "pymupdf":
            raise
        raise MissingExtraError(
            "the renderer pymupdf is not installed",
            remedy=f"Run: {install_command('pymupdf')}",
        ) from error
    tools: Handle = pymupdf.TOOLS
    # Otherwise it prints messages about damaged files to standard output.
    tools.mupdf_display_errors(False)
    tools.mupdf_display_warnings(False)
    return pymupdf
