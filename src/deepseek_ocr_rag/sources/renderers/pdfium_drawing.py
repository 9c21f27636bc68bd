"""Draws pages with pdfium, and finds the words that a reader of the drawing cannot see.

A word can be seen if the picture changes at its place when the word is not drawn. The painted objects
are examined first, so that only pages with suspicious words need two pictures. Callers hold
pdfium's lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from ...document.text_layer import Word
from ...document.types import Box
from .page_space import PageSpace
from .pdfium_objects import Drawings, Handle, Painted, bind, stroke_width
from .sizes import PageChecks, page_failed
from .words import COMPARED_SIDE, SEEN, box_slices, is_tiny

__all__ = ["draw_content", "unseen_words"]

_LIGHT = 190
"""Ink whose red, green and blue are all this light, of 255, may be invisible on white."""

_ALIKE = 90
"""Two colours may look alike to a reader if red, green and blue each differ by less than this."""

_THICK = 3.0
"""A line at least this thick, in points, may cover letters."""

_COVER = 0.1
"""Least share of a text's box that an object must overlap to be able to hide a word of it."""

_INVISIBLE_MODES = (3, 7)
"""Text rendering modes that paint nothing (ISO 32000-1, table 106)."""

_MOST_SHAPES = 4_000
"""Most shapes that are compared with the texts; on a page with more, every text is suspicious."""

_WHITE = 0xFFFFFFFF
_PauseCallback: Any = dict(pdfium.IFSDK_PAUSE._fields_)["NeedToPauseNow"]

_INT, _UINT, _HANDLE = ctypes.c_int, ctypes.c_uint, ctypes.c_void_p
_get_fill = bind(pdfium.FPDFPageObj_GetFillColor, _INT, *[_HANDLE] * 5)
_get_stroke = bind(pdfium.FPDFPageObj_GetStrokeColor, _INT, *[_HANDLE] * 5)
_get_render_mode = bind(pdfium.FPDFTextObj_GetTextRenderMode, _INT, _HANDLE)
_get_draw_mode = bind(pdfium.FPDFPath_GetDrawMode, _INT, _HANDLE, _HANDLE, _HANDLE)
_has_transparency = bind(pdfium.FPDFPageObj_HasTransparency, _INT, _HANDLE)
_count_marks = bind(pdfium.FPDFPageObj_CountMarks, _INT, _HANDLE)
_get_mark = bind(pdfium.FPDFPageObj_GetMark, _HANDLE, _HANDLE, ctypes.c_ulong)
_get_mark_name = bind(
    pdfium.FPDFPageObjMark_GetName, _INT, _HANDLE, _HANDLE, ctypes.c_ulong, _HANDLE
)
_get_clip = bind(pdfium.FPDFPageObj_GetClipPath, _HANDLE, _HANDLE)
_count_clips = bind(pdfium.FPDFClipPath_CountPaths, _INT, _HANDLE)
_set_active = bind(pdfium.FPDFPageObj_SetIsActive, _INT, _HANDLE, _INT)


def draw_content(
    bitmap: Handle, page: Handle, options: tuple[int, ...], checks: PageChecks
) -> None:
    """Draw a page's content into a bitmap, within the time that a page may take.

    ``options`` are those of pdfium: left, top, width, height, turn and flags.
    """
    callback = _PauseCallback(lambda _pause: checks.is_late())
    pause = pdfium.IFSDK_PAUSE(version=1, NeedToPauseNow=callback)
    try:
        status = pdfium.FPDF_RenderPageBitmap_Start(bitmap, page, *options, pause)
    finally:
        pdfium.FPDF_RenderPage_Close(page)
    if status == pdfium.FPDF_RENDER_TOBECONTINUED:
        raise checks.too_late()
    if status != pdfium.FPDF_RENDER_DONE:
        raise page_failed(checks.source, checks.page)


def unseen_words(
    page: Handle,
    space: PageSpace,
    words: Sequence[Word],
    owners: Sequence[int],
    drawings: Drawings,
    checks: PageChecks,
) -> list[bool]:
    """Find the words that a reader of the page cannot see; ``owners`` are their text objects."""
    tiny = [is_tiny(word, space) for word in words]
    suspects = _suspects(drawings, set(owners))
    if not suspects:
        return tiny
    seen = _seen_words(page, space, words, owners, suspects, drawings, checks)
    return [is_small or not is_seen for is_small, is_seen in zip(tiny, seen, strict=True)]


def _suspects(drawings: Drawings, owners: set[int]) -> set[int]:
    """Find the text objects that may be invisible, judged by the painted objects and colours."""
    order = {item.handle: i for i, item in enumerate(drawings.painted)}
    texts = [drawings.painted[order[o]] for o in owners if o in order]
    # Text beyond the budget of objects was not examined, so the picture must show it.
    suspects = owners - order.keys() - {0}
    colours = np.zeros((len(texts), 3))
    for i, item in enumerate(texts):
        red, green, blue, alpha = colour = _ink(item.handle)
        colours[i] = colour[:3]
        if (
            _get_render_mode(item.handle) in _INVISIBLE_MODES
            or alpha < 128
            or min(red, green, blue) >= _LIGHT
            or _has_transparency(item.handle)
            or _count_clips(_get_clip(item.handle)) > 0
            or _is_optional(item.handle)
        ):
            suspects.add(item.handle)
    if texts:
        boxes = np.array([item.edges for item in texts])
        positions = np.array([order[item.handle] for item in texts])
        hidden = _overpainted(boxes, positions, colours, drawings.painted, order)
        suspects.update(texts[i].handle for i in np.flatnonzero(hidden).tolist())
    return suspects


def _ink(handle: int) -> tuple[int, int, int, int]:
    """Return red, green, blue and alpha of a text's paint, each 0 to 255."""
    values = (ctypes.c_uint * 4)()
    start = ctypes.addressof(values)
    outlined = _get_render_mode(handle) == 1
    get = _get_stroke if outlined else _get_fill
    if not get(handle, start, start + 4, start + 8, start + 12):
        return 0, 0, 0, 255
    return values[0], values[1], values[2], values[3]


def _is_optional(handle: int) -> bool:
    """Whether an object belongs to a layer that can be switched off."""
    name = (ctypes.c_char * 8)()
    length = ctypes.c_ulong()
    for i in range(_count_marks(handle)):
        mark = _get_mark(handle, i)
        if (
            mark
            and _get_mark_name(mark, ctypes.addressof(name), 8, ctypes.addressof(length))
            and name.raw[: length.value].decode("utf-16-le", "ignore").rstrip("\0") == "OC"
        ):
            return True
    return False


def _overpainted(
    boxes: NDArray[np.float64],
    positions: NDArray[np.int64],
    colours: NDArray[np.float64],
    painted: Sequence[Painted],
    order: dict[int, int],
) -> NDArray[np.bool_]:
    """Find the texts that an object covers, or that lie on an object of a similar colour."""
    found = np.zeros(len(boxes), dtype=bool)
    areas = np.maximum(1e-6, (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    count = 0
    for item in painted:
        if item.kind in (pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_FORM):
            continue
        x0, y0, x1, y1 = item.edges
        # NaN makes a comparison false.
        if not (
            x1 - x0 > 3 and y1 - y0 > 3 and x0 < right and x1 > left and y0 < bottom and y1 > top
        ):
            continue
        colour = _filling(item)
        if colour is None:
            continue
        count += 1
        if count > _MOST_SHAPES:
            return np.ones(len(boxes), dtype=bool)
        across = np.minimum(boxes[:, 2], x1) - np.maximum(boxes[:, 0], x0)
        down = np.minimum(boxes[:, 3], y1) - np.maximum(boxes[:, 1], y0)
        over = (across > 0) & (down > 0) & (across * down > _COVER * areas)
        if not over.any():
            continue
        alike = np.abs(colours - np.array(colour)).max(axis=1) < _ALIKE if colour else True
        found |= over & ((positions < order[item.handle]) | alike)
    return found


def _filling(item: Painted) -> tuple[int, ...] | None:
    """Return the colour that an object covers an area with; () for many colours, None for none.

    A thick line covers one too: some programs black out words with it.
    """
    if item.kind != pdfium.FPDF_PAGEOBJ_PATH:
        return ()
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    _get_draw_mode(item.handle, ctypes.addressof(fill), ctypes.addressof(stroke))
    if not fill.value and not (stroke.value and stroke_width(item.handle) >= _THICK):
        return None
    get = _get_fill if fill.value else _get_stroke
    values = (ctypes.c_uint * 4)()
    start = ctypes.addressof(values)
    if not get(item.handle, start, start + 4, start + 8, start + 12):
        return ()
    return tuple(values[:3]) if values[3] > 0 else None


def _seen_words(
    page: Handle,
    space: PageSpace,
    words: Sequence[Word],
    owners: Sequence[int],
    suspects: set[int],
    drawings: Drawings,
    checks: PageChecks,
) -> list[bool]:
    """Find for each word whether the picture changes there when the suspects are not drawn."""
    scale = COMPARED_SIDE / max(space.width, space.height, 1e-6)
    width, height = (max(1, round(side * scale)) for side in (space.width, space.height))
    for item in drawings.painted:
        if item.kind == pdfium.FPDF_PAGEOBJ_IMAGE and _is_too_large(item, checks):
            _set_active(item.handle, 0)
    whole = _picture(page, width, height, checks)
    for handle in suspects:
        _set_active(handle, 0)
    without = _picture(page, width, height, checks)

    def is_seen(box: Box) -> bool:
        part = box_slices(box, width, height)
        one, other = whole[part], without[part]
        return bool((np.maximum(one, other) - np.minimum(one, other) > SEEN).any())

    return [
        owner not in suspects or is_seen(word.box)
        for word, owner in zip(words, owners, strict=True)
    ]


def _is_too_large(item: Painted, checks: PageChecks) -> bool:
    width, height = ctypes.c_uint(), ctypes.c_uint()
    pointer = ctypes.cast(item.handle, pdfium.FPDF_PAGEOBJECT)
    pdfium.FPDFImageObj_GetImagePixelSize(pointer, width, height)
    return width.value * height.value > checks.limits.image_pixels


def _picture(page: Handle, width: int, height: int, checks: PageChecks) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 4), 255, dtype=np.uint8)
    bitmap = pdfium.FPDFBitmap_CreateEx(
        width, height, pdfium.FPDFBitmap_BGRx, pixels.ctypes.data, pixels.strides[0]
    )
    if not bitmap:
        raise page_failed(checks.source, checks.page)
    try:
        draw_content(bitmap, page, (0, 0, width, height, 0, pdfium.FPDF_ANNOT), checks)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    return pixels
