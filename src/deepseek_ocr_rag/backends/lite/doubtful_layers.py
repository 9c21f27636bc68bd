"""Checks a text layer that may be broken against what OCR reads on the page's picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...document.text_layer import TextLayer, Word, has_holes, misencoded, unknown_characters
from ...document.types import Block
from ...document.unread_parts import large_pictures
from .rapidocr import Recognized

__all__ = ["checked_layer", "layer_warnings"]

_AGREE = 0.5
"""Least share of the layer's words that OCR must find too. Of a layer with shifted letters it finds
none, of good ones 0.8 and more."""

_UNKNOWN = re.compile(r"[\ufffd\x00-\x1f\x7f-\x9f\ue000-\uf8ff]")

_LONGEST_LIGATURE = 3
"""Most letters that one glyph stands for: "ffi"."""


def checked_layer(layer: TextLayer, found: Recognized) -> tuple[TextLayer, tuple[str, ...]] | None:
    """Mend a layer with what OCR read; return it with warnings, or None if OCR contradicts it.

    OCR may contradict a layer only if its letters look wrong, because OCR cannot read many scripts.
    A word with characters that have no meaning is taken from the OCR if it read the same letters
    around them.
    """
    if misencoded(layer) and found.layer.words and not _agree(layer, found):
        return None
    count = unknown_characters(layer)
    if not count:
        return layer, ()
    mended = replace(layer, words=tuple(_mended(word, found.layer) for word in layer.words))
    left = unknown_characters(mended)
    if not left:
        return mended, (
            f"{count} characters of the PDF's own text have no meaning (its fonts do not say which "
            "letters they are); the words that contain them were read from the page's picture",
        )
    return mended, (
        f"{count} characters of the PDF's own text have no meaning, and {left} of them could not be "
        "read from the page's picture either",
    )


def _agree(layer: TextLayer, found: Recognized) -> bool:
    own = Counter(_plain(word.text) for word in layer.words if not _UNKNOWN.search(word.text))
    read = Counter(_plain(word.text) for word in found.layer.words)
    own = Counter({word: n for word, n in own.items() if len(word) > 2})
    total = sum(own.values())
    return not total or sum((own & read).values()) >= _AGREE * total


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _mended(word: Word, page: TextLayer) -> Word:
    if not has_holes(word.text):
        return word
    letters = "".join(
        f"\\S{{1,{_LONGEST_LIGATURE}}}" if _UNKNOWN.match(char) else re.escape(char)
        for char in word.text
    )
    near = sorted(
        (other for other in page.words if other.box.intersection(word.box) is not None),
        key=lambda other: other.box.x0,
    )
    # Whole words only: a few letters occur in many other words.
    match = re.search(rf"(?<!\w){letters}(?!\w)", " ".join(other.text for other in near))
    return replace(word, text=match[0].strip() or word.text) if match else word


def layer_warnings(layer: TextLayer, blocks: Sequence[Block]) -> Iterator[str]:
    """Yield what a user of the result should know about a page's text layer."""
    if layer.is_notice:
        yield (
            "this PDF is a dynamic XFA form: its questions and answers cannot be read, and the page "
            "only holds a notice for viewers that cannot show the form; open it in Adobe Reader, "
            "print it to a PDF, and read that"
        )
    if pictures := large_pictures(blocks):
        share = sum(box.area for block in pictures for box in block.boxes)
        yield (
            f"pictures on {100 * share:.0f} % of this page were not read: text in them is missing; "
            "DeepSeek-OCR reads it"
        )
    if count := len(layer.unseen):
        yield (
            f"{count} {'word' if count == 1 else 'words'} that a reader of the page cannot see "
            "(hidden, covered, transparent, or tiny) were left out"
        )
