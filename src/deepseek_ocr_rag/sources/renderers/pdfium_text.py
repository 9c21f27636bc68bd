"""Reads the text layer of a page from pdfium. Callers hold pdfium's lock."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from ...document.text_layer import TextLayer
from .page_space import PageSpace, direction
from .pdfium_drawing import unseen_words
from .pdfium_objects import Handle, address_of, bind, read_drawings
from .sizes import PageChecks, page_failed
from .words import PlacedWords, WordStyle, build_words, is_bold, is_monospaced, parted

__all__ = ["read_layer"]

_TALL, _FLAT = 1.6, 0.6
"""Most and least height of a font, in sizes. Fonts are about 1.2 times as tall as their size; other
heights are errors in the font, which would mix the words of neighbouring lines."""

_ASCENT, _DESCENT = 0.9, 0.25
"""Height of an ordinary font above and below its baseline, in sizes."""

_PDFIUM_CONTROLS = (0x02, 0x09, 0x0A, 0x0D)
"""Control characters that pdfium itself inserts: hyphen, tab, line ends."""

_INVISIBLE = 3
_FIXED_PITCH, _FORCE_BOLD = 1 << 0, 1 << 18
"""Bits 1 and 19 of a font descriptor's flags (ISO 32000-1, table 123)."""

_INT, _HANDLE = ctypes.c_int, ctypes.c_void_p
_get_unicode = bind(pdfium.FPDFText_GetUnicode, ctypes.c_uint, _HANDLE, _INT)
_get_loose_box = bind(pdfium.FPDFText_GetLooseCharBox, _INT, _HANDLE, _INT, _HANDLE)
_get_ink = bind(pdfium.FPDFText_GetCharBox, _INT, _HANDLE, _INT, *[_HANDLE] * 4)
_get_origin = bind(pdfium.FPDFText_GetCharOrigin, _INT, _HANDLE, _INT, _HANDLE, _HANDLE)
_get_text_object = bind(pdfium.FPDFText_GetTextObject, _HANDLE, _HANDLE, _INT)
_get_char_matrix = bind(pdfium.FPDFText_GetMatrix, _INT, _HANDLE, _INT, _HANDLE)
_is_generated = bind(pdfium.FPDFText_IsGenerated, _INT, _HANDLE, _INT)
_get_font_size = bind(pdfium.FPDFText_GetFontSize, ctypes.c_double, _HANDLE, _INT)


def read_layer(page: Handle, space: PageSpace, checks: PageChecks) -> TextLayer:
    """Read the words, rules and pictures of a loaded page; check the limit on characters."""
    text = pdfium.FPDFText_LoadPage(page)
    if not text:
        raise page_failed(checks.source, checks.page)
    try:
        count = pdfium.FPDFText_CountChars(text)
        checks.check_characters(count)
        placed = _read_words(text, count, space) if count > 0 else PlacedWords((), ())
        handle = address_of(text)
        owners = [_get_text_object(handle, index) or 0 for index in placed.firsts]
    finally:
        pdfium.FPDFText_ClosePage(text)
    drawings = read_drawings(page, space, checks.limits.page_objects)
    hidden = unseen_words(page, space, placed.words, owners, drawings, checks)
    seen, unseen = parted(placed.words, hidden, drawings.pictures)
    return TextLayer(
        seen,
        tuple(drawings.rules),
        tuple(drawings.pictures),
        space.width,
        space.height,
        unseen,
    )


def _read_words(text: Handle, count: int, space: PageSpace) -> PlacedWords:
    handle = address_of(text)
    codes = np.fromiter((_get_unicode(handle, i) for i in range(count)), np.uint32, count)
    # FS_RECTF is four floats: left, top, right, bottom.
    edges = np.zeros((count, 4), dtype=np.float32)
    address, step = edges.ctypes.data, edges.strides[0]
    for i in range(count):
        _get_loose_box(handle, i, address + i * step)
    styles = _Styles(handle, space)
    _correct_boxes(handle, edges, styles)
    _blank_controls(handle, codes)
    made_up = np.zeros(count, dtype=bool)
    for i in np.flatnonzero(codes <= 0x20).tolist():
        made_up[i] = _is_generated(handle, i) == 1
    return build_words(codes, _displayed(edges, space), styles, space, made_up)


def _correct_boxes(text: int, edges: NDArray[np.float32], styles: _Styles) -> None:
    """Give the characters of fonts with an absurd height the height of an ordinary font."""
    count = len(edges)
    owners = np.fromiter((_get_text_object(text, i) or 0 for i in range(count)), np.uint64, count)
    objects, firsts, numbers = np.unique(owners, return_index=True, return_inverse=True)
    ups = np.array([styles.up(first) for first in firsts.tolist()])[numbers]
    ups[objects[numbers] == 0] = 0.0
    # The extent of each box in the direction of its text's height; slanted text is left alone.
    sizes = np.abs(ups).max(axis=1)
    extent = np.abs(edges[:, (2, 1)] - edges[:, (0, 3)])
    height = np.where(np.abs(ups[:, 0]) > np.abs(ups[:, 1]), extent[:, 0], extent[:, 1])
    straight = np.abs(ups).min(axis=1) < 0.1 * sizes
    absurd = straight & (sizes > 0) & ((height > _TALL * sizes) | (height < _FLAT * sizes))
    x, y = ctypes.c_double(), ctypes.c_double()
    for i in np.flatnonzero(absurd).tolist():
        if not _get_origin(text, i, ctypes.addressof(x), ctypes.addressof(y)):
            continue
        across, up = ups[i]
        left, top, right, bottom = edges[i]
        if abs(up) >= abs(across):
            ends = (y.value + _ASCENT * up, y.value - _DESCENT * up)
            edges[i] = left, max(ends), right, min(ends)
        else:
            ends = (x.value + _ASCENT * across, x.value - _DESCENT * across)
            edges[i] = min(ends), top, max(ends), bottom


def _blank_controls(text: int, codes: NDArray[np.uint32]) -> None:
    """Replace control characters without ink by spaces: some fonts encode spaces that way."""
    for i in np.flatnonzero(codes < 0x20).tolist():
        if codes[i] not in _PDFIUM_CONTROLS and _ink(text, i) is None:
            codes[i] = 0x20


def _ink(text: int, index: int) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of a glyph's ink in page space, or None without ink."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    addresses = (ctypes.addressof(value) for value in (left, right, bottom, top))
    if not _get_ink(text, index, *addresses):
        return None
    if not (left.value < right.value and bottom.value < top.value):
        return None
    return left.value, top.value, right.value, bottom.value


def _displayed(edges: NDArray[np.float32], space: PageSpace) -> NDArray[np.float64]:
    a, b, c, d, e, f = space.matrix
    x, y = edges[:, (0, 2)].astype(np.float64), edges[:, (1, 3)].astype(np.float64)
    across, down = a * x + c * y + e, b * x + d * y + f
    return np.stack(
        [across.min(axis=1), down.min(axis=1), across.max(axis=1), down.max(axis=1)], axis=1
    )


class _Styles:
    """Finds the style of a character by its index; each text object has one style."""

    def __init__(self, text: int, space: PageSpace) -> None:
        self._text = text
        self._page_matrix = space.matrix
        self._matrix = pdfium.FS_MATRIX()
        self._objects: dict[int, WordStyle] = {}
        self._fonts: dict[int, tuple[bool, bool]] = {}

    def __call__(self, index: int) -> WordStyle:
        text_object = _get_text_object(self._text, index) or 0
        style = self._objects.get(text_object)
        if style is None:
            hidden, bold, monospaced = False, False, False
            if text_object:
                pointer = ctypes.cast(text_object, pdfium.FPDF_PAGEOBJECT)
                hidden = pdfium.FPDFTextObj_GetTextRenderMode(pointer) == _INVISIBLE
                bold, monospaced = self._font(pdfium.FPDFTextObj_GetFont(pointer))
            size, rotation, mirrored = self.placement(index)
            style = WordStyle(size, bold, hidden, rotation, mirrored, monospaced)
            # Characters that pdfium inserted belong to no object, so they are not remembered.
            if text_object:
                self._objects[text_object] = style
        return style

    def up(self, index: int) -> tuple[float, float]:
        """Return the vector from a character's baseline upwards by one size, in page space."""
        m = self._matrix
        if not _get_char_matrix(self._text, index, ctypes.addressof(m)):
            return 0.0, 0.0
        size = _get_font_size(self._text, index)
        x, y = size * m.c, size * m.d
        return (x, y) if math.isfinite(x) and math.isfinite(y) else (0.0, 0.0)

    def placement(self, index: int) -> tuple[float, int, bool]:
        """Return a character's size in points, its rotation, and whether it is mirrored."""
        m = self._matrix
        if not _get_char_matrix(self._text, index, ctypes.addressof(m)):
            return 0.0, 0, False
        size = _get_font_size(self._text, index)
        points = abs(size) * math.hypot(m.c, m.d)
        # A negative size writes backwards.
        x, y = (-m.a, -m.b) if size < 0 else (m.a, m.b)
        a, b, c, d = self._page_matrix[:4]
        # Displayed points run downwards, which is itself one mirroring.
        mirrored = (m.a * m.d - m.b * m.c) * (a * d - b * c) > 0
        return (
            points if math.isfinite(points) else 0.0,
            direction(a * x + c * y, b * x + d * y),
            mirrored,
        )

    def _font(self, font: Handle) -> tuple[bool, bool]:
        """Whether a font is bold, and whether its characters are equally wide."""
        if not font:
            return False, False
        key = address_of(font)
        if key not in self._fonts:
            raw = ctypes.create_string_buffer(256)
            pdfium.FPDFFont_GetBaseFontName(font, raw, len(raw))
            name = raw.value.decode("utf-8", "replace")
            flags = max(0, pdfium.FPDFFont_GetFlags(font))
            # pdfium guesses the weight from the stems, and reports 700 or more for many
            # regular faces.
            self._fonts[key] = (
                is_bold(name) or bool(flags & _FORCE_BOLD),
                is_monospaced(name) or bool(flags & _FIXED_PITCH),
            )
        return self._fonts[key]
