"""The text layer of a PDF page: words, ruling lines and pictures with their boxes.

Born-digital pages have one; scans have none, or a hidden one from an earlier OCR.
Renderers fill it, and the ``lite`` backend reads it.

Boxes, as everywhere in this package, are fractions of the displayed page (after its
rotation), origin at the top left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .types import Box

__all__ = [
    "Rule",
    "TextLayer",
    "Word",
    "doubt",
    "has_holes",
    "is_garbage",
    "misencoded",
    "unknown_characters",
    "usable",
]

SCAN_COVER = 0.7
"""Smallest share of the page that pictures cover if the page is a scan."""

STAMP_LENGTH = 80
"""Most characters, spaces not counted, of a stamp, a running title or a page number over a
scan, whose own text is only in the picture."""

MAX_GARBAGE = 0.1
"""Largest share of characters that no font can show; a larger share means a broken encoding."""

MAX_MISREAD = 0.2
"""Largest share of a scan's words, by length, that may look misread. In the test data, good
OCR layers have up to 0.03, and a handwritten page has 0.62."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without a space, in reading order."""

    text: str
    box: Box
    size: float = 0.0  # size of the font in points, 0 if the PDF does not say
    bold: bool = False  # by the font's weight or name
    hidden: bool = False  # drawn in the invisible text mode, as OCR layers are
    rotation: int = 0  # of the text on the displayed page in whole degrees clockwise, 0 to 359
    mirrored: bool = False  # whether it is drawn mirrored, which no rotation undoes
    monospaced: bool = False  # by the font's flags or name: code, tables of characters


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight drawn line, horizontal or vertical, as the thin box that it covers."""

    box: Box
    horizontal: bool


@dataclass(frozen=True, slots=True)
class TextLayer:
    """The text layer of one page.

    Attributes:
        words: Words in the order in which the PDF draws them.
        rules: Ruling lines: strokes and thin filled rectangles.
        pictures: Boxes of raster images.
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
        unseen: Words that a reader of the page cannot see: in the colour of their background,
            covered, transparent, on a layer that is switched off, clipped away, or under 2
            points. They are not in ``words``, and nothing quotes them.
        is_notice: Whether the page holds only the notice of a viewer that cannot show the document,
            as in a dynamic XFA form.
    """

    words: tuple[Word, ...]
    rules: tuple[Rule, ...] = ()
    pictures: tuple[Box, ...] = ()
    width: float = 0.0
    height: float = 0.0
    unseen: tuple[Word, ...] = ()
    is_notice: bool = False


def usable(layer: TextLayer) -> bool:
    """Whether a page's text layer is good enough to use instead of its picture.

    It is unusable if it is empty, if its characters are garbage (fonts without a mapping to
    Unicode), if it is only a stamp on a scan, or if it is a poor OCR layer. The picture itself is
    not examined.
    """
    texts = [word.text for word in layer.words if word.text.strip()]
    characters = "".join(texts)
    if not any(char.isalnum() for char in characters) or _is_garbage(texts, characters):
        return False
    if not _is_scan(layer):
        return True
    return len(characters) > STAMP_LENGTH and _misread_share(texts) <= MAX_MISREAD


def is_garbage(layer: TextLayer) -> bool:
    """Whether a layer has text, but not the text that a reader sees: its characters have no meaning."""
    texts = [word.text for word in layer.words if word.text.strip()]
    return bool(texts) and _is_garbage(texts, "".join(texts))


FEWEST_HOLES = 3
"""Fewest unknown characters inside words for which a page's picture is read: it takes seconds."""


def has_holes(text: str) -> bool:
    """Whether a word has characters without a meaning among its letters.

    Such characters that stand alone, as bullets and signs of symbol fonts do, hide no text.
    """
    return any(map(_is_impossible, text)) and any(map(str.isalpha, text))


def unknown_characters(layer: TextLayer) -> int:
    """Count the characters inside words that have no meaning: the font does not identify them."""
    return sum(
        _is_impossible(char) for word in layer.words if has_holes(word.text) for char in word.text
    )


def misencoded(layer: TextLayer) -> str:
    """Say how a usable text layer seems to be encoded wrongly; "" if it seems right."""
    # Imported late: the processes that draw pages make text layers, but do not judge them.
    from .letter_statistics import are_exchanged, are_shifted

    text = " ".join(word.text for word in layer.words)
    if are_shifted(text):
        return "its letters are shifted"
    return "its letters are exchanged" if are_exchanged(text) else ""


def doubt(layer: TextLayer) -> str:
    """Say why a usable text layer may still differ from what the page shows; "" if nothing says so.

    If there is a reason, the page's picture decides.
    """
    count = unknown_characters(layer)
    holes = f"{count} of its characters have no meaning" if count >= FEWEST_HOLES else ""
    return misencoded(layer) or holes


_CID = re.compile(r"\(cid:[0-9]{1,6}\)", re.IGNORECASE)

# Letters, joined by single marks such as hyphens and apostrophes, or a number with its signs.
_PLAIN = re.compile(
    r"[^\W\d_]+(?:[-'\u2019./&][^\W\d_]+)*"
    r"|(?:[\d.,:/%\-\u2013]*[$€£+])*[.,:/%\-\u2013]*\d[\d.,:/%\-\u2013]*"
)
_ENDS = "()[]{}<>\"'“”‘’«»„.,;:!?*†‡§¶•—–-|/\\&#@©®™°=+~_·…、。，；：？！（）「」"
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýœ")


def _is_garbage(texts: Sequence[str], characters: str) -> bool:
    """Whether the characters cannot be what a reader sees on the page."""
    bad = sum(map(_is_impossible, characters))
    bad += sum(len(match[0]) for match in _CID.finditer(characters))
    if bad > MAX_GARBAGE * len(characters):
        return True
    # Dot leaders and rows of dashes are text, but say nothing for or against the rest.
    letters = [char for char in characters if char.isalnum()]
    if len(letters) < STAMP_LENGTH:
        return False
    # Even in scripts without spaces, a run ends with its line, so it cannot hold most of a page.
    longest = max(sum(map(str.isalnum, text)) for text in texts)
    if longest > 400 and longest > 0.5 * len(letters):
        return True
    # A font that maps most of its glyphs to the same character.
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
    """Whether the page is a picture with text over it, visible or not."""
    # The sum, because scans are also stored as bands and tiles.
    if sum(box.area for box in layer.pictures) >= SCAN_COVER:
        return True
    hidden = sum(len(word.text) for word in layer.words if word.hidden)
    return 2 * hidden > sum(len(word.text) for word in layer.words)


def _misread_share(texts: Sequence[str]) -> float:
    """Compute the share of words that look misread, weighted by length."""
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
    """Whether a word is Latin, five letters or longer, and vowelless or with capitals inside."""
    if len(core) < 5 or not core.isalpha() or not core.isascii():
        return False
    inner = sum(a.islower() and b.isupper() for a, b in pairwise(core))
    return inner >= 2 or not (core.isupper() or _VOWELS & set(core.lower()))
