"""Joins characters with boxes into words with boxes, for every renderer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...document.text_layer import SCAN_COVER, Word
from ...document.types import Box
from .page_space import PageSpace

__all__ = [
    "COMPARED_SIDE",
    "SEEN",
    "PlacedWords",
    "WordStyle",
    "box_slices",
    "build_words",
    "is_bold",
    "is_monospaced",
    "is_tiny",
    "parted",
]

_GAP = 0.5
"""Characters farther apart than this share of their extent, in any direction,
belong to two words, even without a space between them."""

_SPACE = 0.17
"""Characters belong to two words, too, if their gap is wider than usual in their line by this share
of their size: some programs leave a gap between words, but write no space."""

_TOUCHING = 0.05
"""A space that the renderer inserted is ignored if the characters are closer than this share of
their size."""

_BOX_HEIGHT = 1.17
"""Height of a character's box in sizes."""

_HYPHENS = (0x02, 0xAD, 0xFFFE)
"""Code points by which renderers represent a drawn hyphen."""

_UNKNOWN = 0xFFFD
"""The replacement character."""

_LINE_END_HYPHENS = (0x02, 0xFFFE)
"""Those for a hyphen at the end of a line."""

COMPARED_SIDE = 1000
"""Pixels of the long side of the pictures that are compared; 6-point letters are 7 high in them."""

SEEN = 12
"""A larger difference than this, of 255, in one colour can be seen by a reader."""

_SMALLEST = 2.0
"""Smallest type that can be read, in points."""

# Besides plain words: "Bd" as a style name, and TeX's CMBX, CMSSBX, SFBX, ECBX.
_BOLD_NAME = re.compile(r"bold|black|heavy|demi|[-,]bd|(?:^|\+)(?:cm|sf|ec|la)[a-z]{0,3}b[x0-9]")

_MONOSPACED_NAME = re.compile(r"courier|mono|consol|menlo|typewriter|code|(?:^|\+)cmtt|terminal")


class WordStyle(NamedTuple):
    """The style that the characters of a word share; see :class:`Word`."""

    size: float
    bold: bool
    hidden: bool
    rotation: int
    mirrored: bool = False
    monospaced: bool = False


class PlacedWords(NamedTuple):
    """The words of a page, and for each the index of its first character."""

    words: tuple[Word, ...]
    firsts: tuple[int, ...]


def is_bold(font_name: str) -> bool:
    """Whether the name of a font says that it is bold."""
    return _BOLD_NAME.search(font_name.lower()) is not None


def is_monospaced(font_name: str) -> bool:
    """Whether the name of a font says that all its characters are equally wide."""
    return _MONOSPACED_NAME.search(font_name.lower()) is not None


def build_words(
    codes: NDArray[np.uint32],
    boxes: NDArray[np.float64],
    style: Callable[[int], WordStyle],
    space: PageSpace,
    made_up: NDArray[np.bool_] | None = None,
) -> PlacedWords:
    """Split characters into words at white space and at gaps, in their order.

    Args:
        codes: Code points or UTF-16 units, shape (n,).
        boxes: Displayed points x0, y0, x1, y1, shape (n, 4).
        style: Takes the index of a character; called once per word.
        space: The displayed page.
        made_up: Which characters the renderer added, shape (n,); None for none.
    """
    spaces = _IS_SPACE[np.minimum(codes, _LAST)]
    indices = np.flatnonzero(~spaces & _drawn(codes, boxes))
    if not len(indices):
        return PlacedWords((), ())
    in_file = spaces if made_up is None else spaces & ~made_up
    spaced = np.diff(np.cumsum(spaces)[indices]) > 0
    surely = np.diff(np.cumsum(in_file)[indices]) > 0
    codes, boxes = codes[indices], boxes[indices]
    gaps, across = _gaps(boxes)
    breaks = surely | (spaced & ~(across & (gaps < _TOUCHING))) | _apart(codes, boxes) | _wide(gaps)
    starts = np.flatnonzero(np.concatenate(([True], breaks)))
    edges = np.concatenate(
        [
            np.minimum.reduceat(boxes[:, :2], starts, axis=0),
            np.maximum.reduceat(boxes[:, 2:], starts, axis=0),
        ],
        axis=1,
    )
    size = np.array([space.width, space.height] * 2)
    on_page = np.all((edges[:, 2:] >= 0) & (edges[:, :2] <= size[:2]), axis=1).tolist()
    fractions = np.clip(edges / size, 0.0, 1.0).tolist()
    text = _decode(codes)
    ends = [*starts[1:].tolist(), len(codes)]
    firsts = indices[starts].tolist()
    held = [
        (Word(_paired(text[start:end]), Box(*fractions[number]), *style(first)), first)
        for number, (start, end, first) in enumerate(
            zip(starts.tolist(), ends, firsts, strict=True)
        )
        if on_page[number]
    ]
    return PlacedWords(tuple(word for word, _ in held), tuple(first for _, first in held))


_LAST = 0xFFFF
# str.isspace as an array, with the zero-width space, but without the separators 0x1C to 0x1F,
# which are glyphs in PDFs. The first plane has all white space. Asking for each of its characters
# would take a tenth of the start of a drawing process.
_SPACES = (*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029)
_IS_SPACE = np.zeros(_LAST + 1, dtype=bool)
_IS_SPACE[[*_SPACES, 0x202F, 0x205F, 0x3000]] = True


def _controls(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (codes < 0x20) & (codes != _HYPHENS[0])
    return found


def _drawn(codes: NDArray[np.uint32], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    # A control character with an extent is a glyph whose meaning the font does not give.
    extended = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    drawn: NDArray[np.bool_] = (extended | ~_controls(codes)) & np.isfinite(boxes).all(axis=1)
    return drawn


def _apart(codes: NDArray[np.uint32], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the characters after which a word ends without a space."""
    before, after = boxes[:-1], boxes[1:]
    distance = np.maximum(after[:, :2] - before[:, 2:], before[:, :2] - after[:, 2:]).max(axis=1)
    extent = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    far: NDArray[np.bool_] = distance > _GAP * np.maximum(extent[:-1], extent[1:])
    line_end = np.isin(codes[:-1], _LINE_END_HYPHENS)
    return line_end | far


def _gaps(boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Compute the gaps between neighbours in sizes, NaN between lines, and which are horizontal."""
    before, after = boxes[:-1], boxes[1:]
    apart = np.maximum(after[:, :2] - before[:, 2:], before[:, :2] - after[:, 2:])
    extent = np.minimum(before[:, 2:] - before[:, :2], after[:, 2:] - after[:, :2])
    along = np.where(apart[:, 0] >= apart[:, 1], 0, 1)
    pairs = np.arange(len(apart))
    across = extent[pairs, 1 - along]
    # Neighbours on a line share most of its height.
    level = (across > 0) & (apart[pairs, 1 - along] < -0.6 * across)
    gaps: NDArray[np.float64] = np.where(
        level, apart[pairs, along] * _BOX_HEIGHT / np.maximum(across, 1e-9), np.nan
    )
    return gaps, along == 0


def _wide(gaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the gaps that are wider than usual in their line by a space."""
    wide = np.zeros(len(gaps), dtype=bool)
    edges = np.flatnonzero(np.isnan(gaps) | (np.abs(gaps) > 3))
    for start, end in pairwise([-1, *edges.tolist(), len(gaps)]):
        line = gaps[start + 1 : end]
        if len(line) >= 5:
            # Most gaps are inside words, so the median is the usual gap between letters.
            wide[start + 1 : end] = line > np.median(line) + _SPACE
    return wide


def _decode(codes: NDArray[np.uint32]) -> str:
    """Decode each code to one character; glyphs of unknown meaning become U+FFFD."""
    plain = np.where(np.isin(codes, _HYPHENS), ord("-"), codes)
    plain[_controls(codes) | (plain > 0x10FFFF)] = _UNKNOWN
    return plain.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _paired(text: str) -> str:
    """Join pairs of surrogates; a lone one becomes a replacement character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_tiny(word: Word, space: PageSpace) -> bool:
    """Whether a word is too small for a reader, by its font and by its box."""
    return (
        0 < word.size < _SMALLEST and (word.box.y1 - word.box.y0) * space.height < 1.5 * _SMALLEST
    )


def box_slices(box: Box, width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns of a picture that a box touches."""
    return (
        slice(int(box.y0 * height), int(box.y1 * height) + 1),
        slice(int(box.x0 * width), int(box.x1 * width) + 1),
    )


def parted(
    words: Sequence[Word], unseen: Sequence[bool], pictures: Sequence[Box]
) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """Separate the words that are seen from those that are not.

    If most of the text is hidden and a picture covers the page, the hidden words are its OCR: the
    reader sees the same words in the picture, so all of them count as seen.
    """
    count = sum(len(w.text) for w in words)
    hidden = sum(len(w.text) for w, is_unseen in zip(words, unseen, strict=True) if is_unseen)
    if sum(box.area for box in pictures) >= SCAN_COVER and 2 * hidden > count:
        return tuple(words), ()
    pairs = list(zip(words, unseen, strict=True))
    return tuple(w for w, u in pairs if not u), tuple(w for w, u in pairs if u)
