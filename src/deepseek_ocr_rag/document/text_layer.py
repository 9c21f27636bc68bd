"""The text that a PDF page carries beside its picture: words, rules and pictures with boxes.

Born-digital pages have one; scans have none, or a hidden one that somebody's
OCR wrote. Renderers fill it, the ``lite`` backend reads it.

Boxes here, as everywhere in this package, are fractions of the displayed page
(after its rotation), origin at the top left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .types import Box

__all__ = ["Rule", "TextLayer", "Word", "usable"]

SCAN_COVER = 0.7
"""Share of the page that one picture covers where the page is a scan."""

STAMP_LENGTH = 80
"""Characters, not counting spaces, up to which text over a scan is a stamp, a
running title or a page number, and the page itself is in the picture."""

MAX_GARBAGE = 0.1
"""Share of characters that no font could show: more means broken encoding."""

MAX_MISREAD = 0.2
"""Share of a hidden layer's words that look misread. The good OCR
layers of the test data have up to 0.03 of them, a handwritten page 0.62."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space.

    Attributes:
        text: The characters, in reading order.
        box: Where they stand.
        size: Font size in points (0 where the PDF does not say).
        bold: Whether the font's weight or name says bold.
        hidden: Drawn with the invisible text mode, as OCR layers are.
        rotation: Direction of the text on the displayed page in degrees
            clockwise: 0, 90, 180 or 270.
    """

    text: str
    box: Box
    size: float = 0.0
    bold: bool = False
    hidden: bool = False
    rotation: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight drawn line, horizontal or vertical, as the thin box it covers."""

    box: Box
    horizontal: bool


@dataclass(frozen=True, slots=True)
class TextLayer:
    """All of one page.

    Attributes:
        words: In the order in which the PDF draws them.
        rules: Ruling lines: strokes and thin filled rectangles.
        pictures: Boxes of raster images.
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
    """

    words: tuple[Word, ...]
    rules: tuple[Rule, ...] = ()
    pictures: tuple[Box, ...] = ()
    width: float = 0.0
    height: float = 0.0


def usable(layer: TextLayer) -> bool:
    """Whether a page's text layer may replace reading its picture.

    It may not where the layer is empty, where its characters are garbage (fonts
    without a mapping to Unicode), where it is only a stamp on a scan, or where
    it is an OCR layer of poor quality. Only the layer is looked at.

    Args:
        layer: As a renderer gives it.

    Returns:
        False where the page should be read as a picture.
    """
    texts = [word.text for word in layer.words if word.text.strip()]
    characters = "".join(texts)
    if not any(char.isalnum() for char in characters) or _is_garbage(texts, characters):
        return False
    if not _is_scan(layer):
        return True
    return len(characters) > STAMP_LENGTH and _misread_share(texts) <= MAX_MISREAD


_CID = re.compile(r"\(cid:[0-9]{1,6}\)", re.IGNORECASE)

# Joined by a hyphen or an apostrophe at most, or a number with its signs.
_PLAIN = re.compile(
    r"[^\W\d_]+(?:[-'\u2019./&][^\W\d_]+)*|[\d.,:/%$€£+\-\u2013]*\d[\d.,:/%\-\u2013]*"
)
_ENDS = "()[]{}<>\"'“”‘’«»„.,;:!?*†‡§¶•—–-|/\\&#@©®™°=+~_·…、。，；：？！（）「」"
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýœ")


def _is_garbage(texts: Sequence[str], characters: str) -> bool:
    """Whether the characters cannot be what a reader sees."""
    bad = sum(map(_is_impossible, characters))
    bad += sum(len(match[0]) for match in _CID.finditer(characters))
    if bad > MAX_GARBAGE * len(characters):
        return True
    # Dot leaders and rules of dashes are text, but say nothing about the rest.
    letters = [char for char in characters if char.isalnum()]
    if len(letters) < STAMP_LENGTH:
        return False
    # Even scripts without spaces have lines, not pages, in one run.
    longest = max(sum(map(str.isalnum, text)) for text in texts)
    if longest > 400 and longest > 0.5 * len(letters):
        return True
    # A font whose glyphs are all mapped to a few characters.
    return Counter(letters).most_common(1)[0][1] > 0.6 * len(letters)


def _is_impossible(char: str) -> bool:
    code = ord(char)
    return (
        code == 0xFFFD
        or code < 0x20
        or 0x7F <= code <= 0x9F
        or 0xE000 <= code <= 0xF8FF
        or code >= 0xF0000
    )


def _is_scan(layer: TextLayer) -> bool:
    """Whether the page is a picture with text laid over it, visible or not."""
    if any(box.area >= SCAN_COVER for box in layer.pictures):
        return True
    # Scans are also cut into bands and tiles.
    if sum(box.area for box in layer.pictures) >= SCAN_COVER:
        return True
    hidden = sum(len(word.text) for word in layer.words if word.hidden)
    return 2 * hidden > sum(len(word.text) for word in layer.words)


def _misread_share(texts: Sequence[str]) -> float:
    """How many words look like nothing that anybody writes, weighted by length."""
    total = misread = 0
    for text in texts:
        total += len(text)
        core = text.strip(_ENDS)
        if not core:
            misread += len(text) > 3 and len(set(text)) > 2 and len(text)
        elif not _PLAIN.fullmatch(core) or _is_jumble(core):
            misread += len(text)
    return misread / total if total else 1.0


def _is_jumble(core: str) -> bool:
    """A longer Latin word without a vowel, or with capitals strewn in."""
    if len(core) < 5 or not core.isalpha() or not core.isascii():
        return False
    inner = sum(a.islower() and b.isupper() for a, b in pairwise(core))
    return inner >= 2 or not (core.isupper() or _VOWELS & set(core.lower()))
