"""Reads the text layer of a page from PyMuPDF. Callers hold MuPDF's lock.

MuPDF's boxes of vertical writing are up to one character too low.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...document.text_layer import Rule, TextLayer, Word
from ...document.types import Box
from .page_space import RECTANGLE_POINTS, Edges, Matrix, PageSpace, around, bounds, direction
from .sizes import PageChecks
from .words import (
    COMPARED_SIDE,
    SEEN,
    WordStyle,
    box_slices,
    build_words,
    is_bold,
    is_monospaced,
    is_tiny,
    parted,
)

__all__ = ["Handle", "read_layer"]

Handle = Any
"""An object of PyMuPDF, which is untyped."""

_BOLD_FLAG = 1 << 4
_MONOSPACED_FLAG = 1 << 3
_FILLED, _STROKED = 1 << 4, 1 << 5


def read_layer(page: Handle, checks: PageChecks) -> TextLayer:
    """Read the words, rules and pictures of a loaded page; check the limit on characters."""
    rect = page.rect
    space = PageSpace(0.0, 0.0, rect.width, rect.height)
    turn = page.rotation_matrix
    shown: Matrix = (turn.a, turn.b, turn.c, turn.d, turn.e, turn.f)
    spans = list(_spans(page))
    checks.check_characters(sum(len(span["chars"]) for _, span in spans))
    words = _read_words(spans, space, shown)
    pictures = tuple(_read_pictures(page, space, shown))
    seen, unseen = parted(words, _without_ink(page, words, space), pictures)
    return TextLayer(
        seen,
        tuple(_read_rules(page, space, shown, checks.limits.page_objects)),
        pictures,
        space.width,
        space.height,
        unseen,
    )


def _without_ink(page: Handle, words: Sequence[Word], space: PageSpace) -> list[bool]:
    """Find the words that are tiny, or lie where the drawn page has only one colour."""
    # Imported here: PyMuPDF is optional.
    import pymupdf

    if not words:
        return []
    scale = COMPARED_SIDE / max(space.width, space.height)
    matrix: Handle = pymupdf.Matrix
    drawn = page.get_pixmap(matrix=matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    pixels = np.frombuffer(drawn.samples, dtype=np.uint8).reshape(drawn.height, drawn.width, 3)

    def has_ink(box: Box) -> bool:
        # Boxes are taller than letters, and reach beyond the edge of an object that covers them.
        edge = 0.2 * (box.y1 - box.y0)
        core = Box(box.x0, box.y0 + edge, box.x1, box.y1 - edge)
        part = pixels[box_slices(core, drawn.width, drawn.height)].reshape(-1, 3)
        return bool((part.max(axis=0) - part.min(axis=0) > SEEN).any())

    return [is_tiny(word, space) or not has_ink(word.box) for word in words]


def _spans(page: Handle) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    # Imported here: PyMuPDF is optional.
    import pymupdf

    # Do not decode pictures, and split ligatures as pdfium does.
    flags = pymupdf.TEXTFLAGS_RAWDICT
    flags &= ~(pymupdf.TEXT_PRESERVE_IMAGES | pymupdf.TEXT_PRESERVE_LIGATURES)
    for block in page.get_text("rawdict", flags=flags)["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                yield line, span


def _read_words(
    spans: list[tuple[dict[str, Any], dict[str, Any]]], space: PageSpace, shown: Matrix
) -> tuple[Word, ...]:
    codes: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    styles: list[WordStyle] = []
    previous: dict[str, Any] | None = None
    for line, span in spans:
        style = _style(line, span, shown)
        # The end of a line separates words like a space, but in vertical writing MuPDF
        # makes every character a line.
        if line is not previous and not line["wmode"]:
            codes.append(0x0A)
            boxes.append((0.0, 0.0, 0.0, 0.0))
            styles.append(style)
        previous = line
        for character in span["chars"]:
            codes.append(ord(character["c"][:1] or "\x00"))
            boxes.append(bounds(shown, *character["bbox"]))
            styles.append(style)
    edges = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return build_words(np.array(codes, dtype=np.uint32), edges, styles.__getitem__, space).words


def _style(line: dict[str, Any], span: dict[str, Any], shown: Matrix) -> WordStyle:
    x, y = line["dir"]
    a, b, c, d = shown[:4]
    return WordStyle(
        size=span["size"],
        bold=bool(span["flags"] & _BOLD_FLAG) or is_bold(span["font"]),
        hidden=not span["char_flags"] & (_FILLED | _STROKED),
        # Vertical writing has upright characters, but runs downwards.
        rotation=(direction(a * x + c * y, b * x + d * y) - 90 * line["wmode"]) % 360,
        monospaced=bool(span["flags"] & _MONOSPACED_FLAG) or is_monospaced(span["font"]),
    )


def _read_rules(page: Handle, space: PageSpace, shown: Matrix, budget: int) -> Iterator[Rule]:
    for drawing in page.get_drawings():
        stroked = "s" in drawing["type"]
        half = (drawing["width"] or 0.0) / 2 if stroked else 0.0
        items = drawing["items"][: max(0, budget)]
        budget -= len(items) + 1
        for x0, y0, x1, y1 in _stroked(items) if stroked else _filled(items):
            dx, dy = (0.0, half) if x1 - x0 >= y1 - y0 else (half, 0.0)
            rule = space.rule(*bounds(shown, x0 - dx, y0 - dy, x1 + dx, y1 + dy))
            if rule is not None:
                yield rule


def _stroked(items: list[tuple[Any, ...]]) -> Iterator[Edges]:
    """Yield the lines of a stroked path, and the sides of its rectangles."""
    for item in items:
        if item[0] == "l":
            yield around(item[1:3])
        elif item[0] in ("re", "qu"):
            box = item[1] if item[0] == "re" else item[1].rect
            yield box.x0, box.y0, box.x1, box.y0
            yield box.x0, box.y1, box.x1, box.y1
            yield box.x0, box.y0, box.x0, box.y1
            yield box.x1, box.y0, box.x1, box.y1


def _filled(items: list[tuple[Any, ...]]) -> Iterator[Edges]:
    """Yield the rectangles of a filled path, including those that are drawn as four lines."""
    corners: list[Any] = []
    for item in [*items, ("end",)]:
        if item[0] == "l" and corners and corners[-1] == item[1]:
            corners.append(item[2])
            continue
        if 2 < len(corners) <= RECTANGLE_POINTS:
            yield around(corners)
        corners = list(item[1:3]) if item[0] == "l" else []
        if item[0] in ("re", "qu"):
            box = item[1] if item[0] == "re" else item[1].rect
            yield box.x0, box.y0, box.x1, box.y1


def _read_pictures(page: Handle, space: PageSpace, shown: Matrix) -> Iterator[Box]:
    for image in page.get_image_info():
        box = space.box(*bounds(shown, *image["bbox"]))
        if box is not None and box.area > 0:
            yield box
