"""Compares a text layer that may be broken with what OCR reads on the page's picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...document.text_layer import TextLayer, Word, has_holes, misencoded, unknown_characters
from ...document.types import Block
from .rapidocr import Recognized

__all__ = ["checked_layer", "layer_warnings"]

_AGREE = 0.5
"""Least share of the layer's words that OCR finds too, if the layer says what the page shows. A
layer with shifted letters has none of them; good ones have 0.8 and more."""

_LARGE_PICTURE = 0.05
"""Share of the page from which on a picture may hold text that somebody would miss."""

_UNKNOWN = re.compile(r"[\ufffd\x00-\x1f\x7f-\x9f\ue000-\uf8ff]")

_LONGEST_LIGATURE = 3
"""Letters that one glyph stands for: "ffi"."""


def checked_layer(layer: TextLayer, found: Recognized) -> tuple[TextLayer, tuple[str, ...]] | None:
    """The layer, mended, with a warning about what is left; None if OCR contradicts it.

    It can do so only where the letters look wrong: of many scripts this OCR reads nothing. Words with characters of no meaning are taken from the OCR where it read the same letters around
    them.
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
            f"{count} characters of the PDF's own text have no meaning ({_why()}); the words with "
            "them were read from the page's picture",
        )
    return mended, (
        f"{count} characters of the PDF's own text have no meaning, and {left} of them could not be "
        "read from the page's picture either",
    )


def _why() -> str:
    return "its fonts do not say which letters they are"


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
    # Whole words only: a few letters stand in many others.
    match = re.search(rf"(?<!\w){letters}(?!\w)", " ".join(other.text for other in near))
    return replace(word, text=match[0].strip() or word.text) if match else word


def _is_large_picture(block: Block) -> bool:
    return block.kind == "image" and sum(box.area for box in block.boxes) >= _LARGE_PICTURE


def layer_warnings(layer: TextLayer, blocks: Sequence[Block]) -> Iterator[str]:
    """What a reader of the result should know about a page's text layer."""
    if layer.is_notice:
        yield (
            "this PDF is a dynamic XFA form: its questions and answers cannot be read, and the page "
            "holds only its viewer's notice; open it in Adobe Reader, print it to a PDF, and read that"
        )
    if pictures := [block for block in blocks if _is_large_picture(block)]:
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
