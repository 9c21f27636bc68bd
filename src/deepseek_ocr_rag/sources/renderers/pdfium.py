"""Opens PDFs with pdfium, the default renderer.

pdfium is not thread-safe, not even across documents, so every call to it holds
:data:`LOCK`. pypdfium2's helper classes are not used: their finalizers would call
pdfium from the garbage collector, without the lock.

pdfium ignores a page's UserUnit, and so do we: sizes are in the page's own
units, which are points in almost every file.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pypdfium2.raw as pdfium
from PIL import Image

from ...document.text_layer import TextLayer, Word
from ...errors import CorruptSourceError, PageRenderError, SourceError, UnsupportedSourceError
from ..limits import Limits
from .content import Content
from .opened_document import PageInfo
from .page_space import PageSpace
from .pdfium_drawing import draw_content
from .pdfium_objects import Handle, form_marks, has_notes, hide_links, largest_image
from .pdfium_text import read_layer
from .sizes import PageChecks, no_pages, page_failed, password_refused, short_label, spellings

__all__ = ["LOCK", "PdfiumDocument"]

LOCK = threading.RLock()
"""Held during every call to pdfium in this process."""

_WHITE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Handles:
    """The handles that are freed together, and the objects that must live until then."""

    document: Handle
    form: Handle
    keep: tuple[Any, ...]

    def free(self) -> None:
        if self.form:
            pdfium.FPDFDOC_ExitFormFillEnvironment(self.form)
        pdfium.FPDF_CloseDocument(self.document)


# Documents that were not closed. The garbage collector may run at any moment and in
# any thread, so finalizers only add them here, and the next call frees them.
_abandoned: deque[_Handles] = deque()


@contextmanager
def _locked() -> Iterator[None]:
    with LOCK:
        while _abandoned:
            _abandoned.popleft().free()
        yield


class PdfiumDocument:
    """A PDF open in pdfium. Thread-safe. A file is read from disk as needed."""

    def __init__(self, content: Content, password: str | None, limits: Limits) -> None:
        self._name = content.name
        self._limits = limits
        self._content = content
        with _locked():
            opened, self._password = _open(content, password)
            self._handles: _Handles | None = opened
            self._pages: int = pdfium.FPDF_GetPageCount(opened.document)
        self._finalizer = weakref.finalize(self, _abandoned.append, opened)
        self._finalizer.atexit = False
        if self._pages < 1:
            self.close()
            raise no_pages(self._name)

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        return self._pages

    def info(self, number: int) -> PageInfo:
        """Return the size and label of a page."""
        size = pdfium.FS_SIZEF()
        with _locked():
            document = self._open_handles().document
            if not pdfium.FPDF_GetPageSizeByIndexF(document, number - 1, size):
                raise page_failed(self._name, number)
            label = _label(document, number - 1)
        return PageInfo(size.width, size.height, label)

    def render(self, number: int, long_side: int) -> Image.Image:
        """Render the displayed page with annotations and form fields, on white."""
        checks = PageChecks(self._limits, self._name, number)
        with self._page(number) as page:
            checks.check_time()
            width, height = checks.fitted(
                pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page), long_side
            )
            checks.check_image(largest_image(page, checks))
            checks.check_time()
            return self._draw(page, width, height, checks)

    def text_layer(self, number: int) -> TextLayer:
        """Read the words, rules and pictures of a page, including form fields and notes."""
        checks = PageChecks(self._limits, self._name, number)
        with self._page(number) as page:
            checks.check_time()
            space = self._space(page, number)
            form = self._open_handles().form
            marks = form_marks(page, form, space) if form else ()
            with self._flattened(page, number) as flat:
                checks.check_time()
                layer = read_layer(flat, space, checks)
            checks.check_time()
            words = _with_marks(layer.words, marks)
            return replace(layer, words=words, is_notice=self._is_xfa(page))

    def close(self) -> None:
        """Free the file."""
        with _locked():
            if self._handles is not None and self._finalizer.detach():
                self._handles.free()
            self._handles = None

    def _is_xfa(self, page: Handle) -> bool:
        """Whether the page's content is in an XFA form, which only some viewers draw."""
        kind = pdfium.FPDF_GetFormType(self._open_handles().document)
        return kind == pdfium.FORMTYPE_XFA_FULL and not pdfium.FPDFPage_GetAnnotCount(page)

    def _open_handles(self) -> _Handles:
        if self._handles is None:
            raise PageRenderError(
                "the document is closed", source=self._name, remedy="Open it again."
            )
        return self._handles

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        with _locked():
            handles = self._open_handles()
            page = pdfium.FPDF_LoadPage(handles.document, number - 1)
            if not page:
                raise page_failed(self._name, number)
            hide_links(page)
            if handles.form:
                pdfium.FORM_OnAfterLoadPage(page, handles.form)
            try:
                yield page
            finally:
                if handles.form:
                    pdfium.FORM_OnBeforeClosePage(page, handles.form)
                pdfium.FPDF_ClosePage(page)

    @contextmanager
    def _flattened(self, page: Handle, number: int) -> Iterator[Handle]:
        """Merge annotations into the page, so that their text is found.

        That changes the document, so it is done in a second copy, and only for
        pages that have such annotations.
        """
        if not has_notes(page):
            yield page
            return
        document, _keep = _load(self._content, self._password)
        try:
            first = pdfium.FPDF_LoadPage(document, number - 1) if document else None
            if not first:
                raise page_failed(self._name, number)
            pdfium.FPDFPage_Flatten(first, pdfium.FLAT_NORMALDISPLAY)
            pdfium.FPDF_ClosePage(first)
            flat = pdfium.FPDF_LoadPage(document, number - 1)
            if not flat:
                raise page_failed(self._name, number)
            try:
                yield flat
            finally:
                pdfium.FPDF_ClosePage(flat)
        finally:
            pdfium.FPDF_CloseDocument(document)

    def _space(self, page: Handle, number: int) -> PageSpace:
        box = pdfium.FS_RECTF()
        if not pdfium.FPDF_GetPageBoundingBox(page, box):
            raise page_failed(self._name, number)
        rotation = 90 * pdfium.FPDFPage_GetRotation(page)
        return PageSpace(box.left, box.bottom, box.right, box.top, rotation)

    def _draw(self, page: Handle, width: int, height: int, checks: PageChecks) -> Image.Image:
        stride = 4 * width
        buffer = bytearray(stride * height)
        memory = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGRx, memory, stride)
        if not bitmap:
            raise page_failed(self._name, checks.page)
        try:
            pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, _WHITE)
            options = (0, 0, width, height, 0, pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER)
            draw_content(bitmap, page, options, checks)
            form = self._open_handles().form
            if form:
                pdfium.FPDF_FFLDraw(form, bitmap, page, *options)
            return Image.frombytes("RGB", (width, height), buffer, "raw", "RGBX", stride, 1)
        finally:
            pdfium.FPDFBitmap_Destroy(bitmap)


def _with_marks(words: tuple[Word, ...], marks: tuple[Word, ...]) -> tuple[Word, ...]:
    """Replace the letters that draw the ticks of a form by its marks."""

    def is_tick(word: Word) -> bool:
        shared = (mark.box.intersection(word.box) for mark in marks)
        return len(word.text) == 1 and any(
            box is not None and box.area > 0.5 * word.box.area for box in shared
        )

    return (*(word for word in words if not is_tick(word)), *marks) if marks else words


def _open(content: Content, password: str | None) -> tuple[_Handles, bytes | None]:
    """Open the document; also return the encoded password that opened it."""
    for candidate in spellings(password):
        document, keep = _load(content, candidate)
        if document:
            config = pdfium.FPDF_FORMFILLINFO(version=2)
            form = None
            if pdfium.FPDF_GetFormType(document) != pdfium.FORMTYPE_NONE:
                form = pdfium.FPDFDOC_InitFormFillEnvironment(document, config)
            return _Handles(document, form, (*keep, config)), candidate
        code = pdfium.FPDF_GetLastError()
        if code != pdfium.FPDF_ERR_PASSWORD:
            raise _open_error(content.name, code)
    raise password_refused(content.name, password)


def _load(content: Content, password: bytes | None) -> tuple[Any, tuple[Any, ...]]:
    if content.path is None:
        data = content.data or b""
        return pdfium.FPDF_LoadMemDocument64(data, len(data), password), (data,)
    path = str(content.path.absolute()).encode("utf-8", "surrogateescape")
    return pdfium.FPDF_LoadDocument(path, password), ()


def _open_error(name: str, code: int) -> SourceError:
    if code == pdfium.FPDF_ERR_SECURITY:
        return UnsupportedSourceError(
            "the PDF uses an encryption that is not supported",
            source=name,
            remedy="Save an unencrypted copy with the program that created it.",
        )
    return CorruptSourceError(
        "the PDF is damaged or truncated and cannot be opened",
        source=name,
        remedy="Get an intact copy, repair it, for example with qpdf, or try "
        'renderer="pymupdf", which repairs more.',
    )


def _label(document: Handle, index: int) -> str | None:
    size = pdfium.FPDF_GetPageLabel(document, index, None, 0)
    # The string ends with two zero bytes. Anything longer than this is not a real label.
    if not 2 < size <= 100_000:
        return None
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDF_GetPageLabel(document, index, buffer, size)
    return short_label(buffer.raw[: size - 2].decode("utf-16-le", "replace"))
