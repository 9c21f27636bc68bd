"""Reads the drawings, images and annotations of a page from pdfium. Callers hold pdfium's lock.

Pages have thousands of objects and characters, and each needs several calls. The
functions are bound again, so that they take plain integers as handles and keep
Python's global lock, which halves their cost.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pypdfium2.raw as pdfium

from ...document.text_layer import Rule, Word
from ...document.types import Box
from .page_space import (
    RECTANGLE_POINTS,
    Edges,
    Matrix,
    PageSpace,
    around,
    bounds,
    multiply,
    transform,
)
from .sizes import PageChecks

__all__ = [
    "Drawings",
    "Handle",
    "Painted",
    "address_of",
    "bind",
    "form_marks",
    "has_notes",
    "hide_links",
    "largest_image",
    "read_drawings",
    "stroke_width",
]

_FORM_DEPTH = 12
"""Most forms inside each other that are followed."""

_CHECK_INTERVAL = 4096
"""Number of objects between two checks of the time."""

_BILEVEL = (b"CCITTFaxDecode", b"JBIG2Decode")

_WORDLESS = (
    pdfium.FPDF_ANNOT_LINK,
    pdfium.FPDF_ANNOT_POPUP,
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_SQUIGGLY,
    pdfium.FPDF_ANNOT_STRIKEOUT,
)

_NOT_SHOWN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW

_UPRIGHT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

Handle = Any
"""A pointer or a function of pypdfium2's bindings, which are untyped."""


def bind(function: Handle, result: Handle, *arguments: Handle) -> Callable[..., Any]:
    """Bind a C function with integers as handles and addresses, which makes calls cheaper."""
    return ctypes.PYFUNCTYPE(result, *arguments)(address_of(function))


def address_of(pointer: Handle) -> int:
    """Convert a handle of pypdfium2 to an integer."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


_INT, _HANDLE = ctypes.c_int, ctypes.c_void_p
_get_object = bind(pdfium.FPDFPage_GetObject, _HANDLE, _HANDLE, _INT)
_get_form_object = bind(pdfium.FPDFFormObj_GetObject, _HANDLE, _HANDLE, ctypes.c_ulong)
_get_type = bind(pdfium.FPDFPageObj_GetType, _INT, _HANDLE)
_get_bounds = bind(pdfium.FPDFPageObj_GetBounds, _INT, *[_HANDLE] * 5)
_get_matrix = bind(pdfium.FPDFPageObj_GetMatrix, _INT, _HANDLE, _HANDLE)
_get_segment = bind(pdfium.FPDFPath_GetPathSegment, _HANDLE, _HANDLE, _INT)
_get_point = bind(pdfium.FPDFPathSegment_GetPoint, _INT, _HANDLE, _HANDLE, _HANDLE)
_get_segment_type = bind(pdfium.FPDFPathSegment_GetType, _INT, _HANDLE)
_get_close = bind(pdfium.FPDFPathSegment_GetClose, _INT, _HANDLE)


def _objects(page: Handle) -> Iterator[tuple[int, int, Matrix]]:
    """Yield the objects of a page and its forms: handle, type, and matrix of the container."""
    handle = address_of(page)
    for i in range(pdfium.FPDFPage_CountObjects(page)):
        yield from _unfolded(_get_object(handle, i), _UPRIGHT, _FORM_DEPTH)


def _unfolded(item: int | None, matrix: Matrix, depth: int) -> Iterator[tuple[int, int, Matrix]]:
    if not item:
        return
    kind = _get_type(item)
    yield item, kind, matrix
    if kind == pdfium.FPDF_PAGEOBJ_FORM and depth > 0:
        inner = multiply(_matrix_of(item), matrix)
        pointer = ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)
        for i in range(pdfium.FPDFFormObj_CountObjects(pointer)):
            yield from _unfolded(_get_form_object(item, i), inner, depth - 1)


def _matrix_of(item: int) -> Matrix:
    m = pdfium.FS_MATRIX()
    if not _get_matrix(item, ctypes.addressof(m)):
        return _UPRIGHT
    return (m.a, m.b, m.c, m.d, m.e, m.f)


def hide_links(page: Handle) -> None:
    """Hide the links of a loaded page: their frames would be drawn across the text."""
    for annotation in _annotations(page):
        if pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_LINK:
            flags = pdfium.FPDFAnnot_GetFlags(annotation) | pdfium.FPDF_ANNOT_FLAG_HIDDEN
            pdfium.FPDFAnnot_SetFlags(annotation, flags)


def has_notes(page: Handle) -> bool:
    """Whether a loaded page has annotations that may contain text, such as form fields or notes."""
    return any(
        pdfium.FPDFAnnot_GetSubtype(annotation) not in _WORDLESS
        for annotation in _annotations(page)
    )


_MARKS = {
    (pdfium.FPDF_FORMFIELD_CHECKBOX, True): "\N{BALLOT BOX WITH CHECK}",
    (pdfium.FPDF_FORMFIELD_CHECKBOX, False): "\N{BALLOT BOX}",
    (pdfium.FPDF_FORMFIELD_RADIOBUTTON, True): "\N{FISHEYE}",
    (pdfium.FPDF_FORMFIELD_RADIOBUTTON, False): "\N{LARGE CIRCLE}",
}


def form_marks(page: Handle, form: Handle, space: PageSpace) -> tuple[Word, ...]:
    """Return the boxes and buttons of a form on a loaded page, ticked or not, as words.

    Their ticks are pictures or letters of symbol fonts, so that no text says which are ticked.
    """
    marks: list[Word] = []
    rect = pdfium.FS_RECTF()
    for annotation in _annotations(page):
        kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
        hidden = pdfium.FPDFAnnot_GetFlags(annotation) & _NOT_SHOWN
        if (kind, True) not in _MARKS or hidden or not pdfium.FPDFAnnot_GetRect(annotation, rect):
            continue
        edges = bounds(space.matrix, rect.left, rect.bottom, rect.right, rect.top)
        box = space.box(*edges)
        if box is not None:
            ticked = bool(pdfium.FPDFAnnot_IsChecked(form, annotation))
            marks.append(Word(_MARKS[kind, ticked], box, edges[3] - edges[1]))
    return tuple(marks)


def _annotations(page: Handle) -> Iterator[Handle]:
    """Yield the annotations of a page; each is valid only until the next."""
    for i in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, i)
        if annotation:
            try:
                yield annotation
            finally:
                pdfium.FPDFPage_CloseAnnot(annotation)


def largest_image(page: Handle, checks: PageChecks) -> float:
    """Count the pixels of the largest image on a loaded page; a bilevel image's count 1/24 each."""
    largest = 0.0
    width, height = ctypes.c_uint(), ctypes.c_uint()
    for count, (item, kind, _) in enumerate(_objects(page)):
        if count % _CHECK_INTERVAL == 0:
            checks.check_time()
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            pointer = ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)
            if pdfium.FPDFImageObj_GetImagePixelSize(pointer, width, height):
                depth = 1 / 24 if _is_bilevel(pointer) else 1.0
                largest = max(largest, width.value * height.value * depth)
    return largest


def _is_bilevel(image: Handle) -> bool:
    last = pdfium.FPDFImageObj_GetImageFilterCount(image) - 1
    if last < 0:
        return False
    name = ctypes.create_string_buffer(64)
    pdfium.FPDFImageObj_GetImageFilter(image, last, name, len(name))
    return name.value in _BILEVEL


@dataclass(frozen=True, slots=True)
class Painted:
    """Something that a page paints, in the order of painting."""

    handle: int
    kind: int  # pdfium's FPDF_PAGEOBJ_*
    edges: Edges  # displayed points; NaN where pdfium does not know them


@dataclass(slots=True)
class Drawings:
    """The drawings of a page, and all that it paints, text included, in the order of painting."""

    rules: list[Rule] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)  # raster images
    painted: list[Painted] = field(default_factory=list)


def read_drawings(page: Handle, space: PageSpace, budget: int) -> Drawings:
    """Read the drawings among the first ``budget`` objects and path segments of a loaded page."""
    found = Drawings()
    for item, kind, matrix in _objects(page):
        budget -= 1
        if budget <= 0:
            break
        shown = multiply(matrix, space.matrix)
        edges = _bounds_of(item, shown)
        found.painted.append(Painted(item, kind, edges))
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            budget -= _read_path(item, shown, space, edges, found.rules, budget)
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            picture = space.box(*edges)
            if picture is not None and picture.area > 0:
                found.pictures.append(picture)
    return found


def _bounds_of(item: int, shown: Matrix) -> Edges:
    edges = (ctypes.c_float * 4)()
    start = ctypes.addressof(edges)
    if not _get_bounds(item, start, start + 4, start + 8, start + 12):
        return (math.nan,) * 4
    return bounds(shown, *edges)


def _read_path(
    item: int, shown: Matrix, space: PageSpace, edges: Edges, rules: list[Rule], budget: int
) -> int:
    """Add the rules of a path to ``rules``; return the number of segments that were read."""
    if not space.may_hold_rule(*edges):
        return 0
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    path = ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)
    pdfium.FPDFPath_GetDrawMode(path, fill, stroke)
    if not fill.value and not stroke.value:
        return 0
    count: int = min(pdfium.FPDFPath_CountSegments(path), budget)
    matrix = multiply(_matrix_of(item), shown)
    half = stroke_width(item, shown) / 2 if stroke.value else 0.0
    for points in _straight_runs(item, count, matrix):
        lines = _segments(points, half) if stroke.value else _filled(points)
        rules.extend(rule for line in lines if (rule := space.rule(*line)) is not None)
    return count


def stroke_width(item: int, shown: Matrix = _UPRIGHT) -> float:
    """Return the width of a path's lines in the units of a matrix, that of its container."""
    width = ctypes.c_float()
    pdfium.FPDFPageObj_GetStrokeWidth(ctypes.cast(item, pdfium.FPDF_PAGEOBJECT), width)
    matrix = multiply(_matrix_of(item), shown)
    return width.value * math.sqrt(abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]))


def _straight_runs(item: int, count: int, matrix: Matrix) -> Iterator[list[tuple[float, float]]]:
    """Yield the points of each run of straight lines in a path."""
    x, y = ctypes.c_float(), ctypes.c_float()
    at_x, at_y = ctypes.addressof(x), ctypes.addressof(y)
    run: list[tuple[float, float]] = []
    start = (0.0, 0.0)
    for i in range(count):
        segment = _get_segment(item, i)
        if not segment or not _get_point(segment, at_x, at_y):
            continue
        point = transform(matrix, x.value, y.value)
        kind = _get_segment_type(segment)
        if kind != pdfium.FPDF_SEGMENT_LINETO:
            if len(run) > 1:
                yield run
            run = []
            if kind == pdfium.FPDF_SEGMENT_MOVETO:
                start = point
        run.append(point)
        if _get_close(segment):
            run.append(start)
    if len(run) > 1:
        yield run


def _segments(points: list[tuple[float, float]], half: float) -> Iterator[Edges]:
    """Yield the boxes that the stroked lines cover."""
    for first, second in pairwise(points):
        x0, y0, x1, y1 = around((first, second))
        across = x1 - x0 >= y1 - y0
        dx, dy = (0.0, half) if across else (half, 0.0)
        yield x0 - dx, y0 - dy, x1 + dx, y1 + dy


def _filled(points: list[tuple[float, float]]) -> Iterator[Edges]:
    """Yield the box that a filled rectangle covers."""
    if len(points) <= RECTANGLE_POINTS:
        yield around(points)
