"""Packs pages, text layers and errors into frames, and unpacks them.

A frame from a worker is checked as if an attacker had sent it: a hostile file may
have taken over the process that read it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

from PIL import Image

from ... import errors
from ...concurrency.frames import Frame, StreamedFrame
from ...concurrency.picture_frames import PIXEL_BYTES, PixelPicture, picture_frame
from ...concurrency.png_pictures import PngPicture, check_png, encode_png
from ...document.text_layer import Rule, TextLayer, Word
from ...document.types import Box
from ...errors import BrokenFrameError, ConfigurationError, DeepSeekOCRError
from ..ink import has_ink
from ..renderers.opened_document import PageInfo

__all__ = [
    "error_frame",
    "error_from",
    "info_frame",
    "info_from",
    "inked_frame",
    "layer_frame",
    "layer_from",
    "picture_from",
    "pixels_from",
    "png_frame",
    "png_from",
]

_WORD = struct.Struct("<5d5h")  # box, size; bold, hidden, rotation, mirrored, monospaced
_RULE = struct.Struct("<4dh")  # box; horizontal
_PICTURE = struct.Struct("<4d")

_LONGEST_TEXT = 4_000
"""Most characters of a message or a label."""


def info_frame(info: PageInfo) -> Frame:
    """Pack a page's size and label into a frame."""
    return Frame({"width": info.width, "height": info.height, "label": info.label})


def info_from(frame: Frame) -> PageInfo:
    """Unpack a page's size and label; raises BrokenFrameError if they are not valid."""
    label = frame.message.get("label")
    if label is not None:
        label = _text(label)
    return PageInfo(_number(frame, "width"), _number(frame, "height"), label)


def picture_from(frame: Frame) -> Image.Image:
    """Unpack a picture; raises BrokenFrameError if it is not valid."""
    return _pixels(frame).picture()


def inked_frame(picture: Image.Image) -> Frame | StreamedFrame:
    """Pack a picture into a frame as its pixels, or as nothing if it is blank."""
    return picture_frame(picture) if has_ink(picture) else Frame({"blank": True})


def pixels_from(frame: Frame) -> PixelPicture | None:
    """Unpack the pixels of a picture, or None for a blank page.

    Raises:
        BrokenFrameError: If they are not valid.
    """
    return None if frame.message.get("blank") is True else _pixels(frame)


def png_frame(picture: Image.Image) -> Frame:
    """Pack a picture into a frame as a PNG file, or as nothing if it is blank."""
    if not has_ink(picture):
        return Frame({"blank": True})
    png = encode_png(picture)
    return Frame({"width": png.width, "height": png.height}, png.data)


def png_from(frame: Frame) -> PngPicture | None:
    """Unpack a PNG file, or None for a blank page.

    Its pixels are not decoded, because this process never needs them.

    Raises:
        BrokenFrameError: If it is not a PNG file of ours.
    """
    if frame.message.get("blank") is True:
        return None
    png = PngPicture(bytes(frame.body), _count(frame, "width"), _count(frame, "height"))
    check_png(png)
    return png


def layer_frame(layer: TextLayer | None) -> Frame:
    """Pack a text layer, or None, into a frame."""
    if layer is None:
        return Frame({"words": None})
    words = (*layer.words, *layer.unseen)
    parts = [
        *(
            _WORD.pack(
                *word.box.as_tuple(),
                word.size,
                word.bold,
                word.hidden,
                word.rotation,
                word.mirrored,
                word.monospaced,
            )
            for word in words
        ),
        *(_RULE.pack(*rule.box.as_tuple(), rule.horizontal) for rule in layer.rules),
        *(_PICTURE.pack(*box.as_tuple()) for box in layer.pictures),
    ]
    message = {
        "words": [word.text for word in words],
        "seen": len(layer.words),
        "is_notice": layer.is_notice,
        "rule_count": len(layer.rules),
        "width": layer.width,
        "height": layer.height,
    }
    return Frame(message, b"".join(parts))


def layer_from(frame: Frame) -> TextLayer | None:
    """Unpack a text layer, or None; raises BrokenFrameError if it is not valid."""
    texts = frame.message.get("words")
    if texts is None:
        return None
    if not isinstance(texts, list):
        raise BrokenFrameError("words that are not a list")
    body = memoryview(frame.body)
    rules_at = len(texts) * _WORD.size
    pictures_at = rules_at + _count(frame, "rule_count") * _RULE.size
    seen = _count(frame, "seen")
    try:
        words = tuple(_words(texts, body[:rules_at]))
        return TextLayer(
            words=words[:seen],
            rules=tuple(
                Rule(Box(*edges), bool(horizontal))
                for *edges, horizontal in _RULE.iter_unpack(body[rules_at:pictures_at])
            ),
            pictures=tuple(Box(*edges) for edges in _PICTURE.iter_unpack(body[pictures_at:])),
            width=_number(frame, "width"),
            height=_number(frame, "height"),
            unseen=words[seen:],
            is_notice=frame.message.get("is_notice") is True,
        )
    except (ValueError, struct.error) as error:
        raise BrokenFrameError("a text layer that does not fit together") from error


def _words(texts: list[object], numbers: memoryview) -> Iterable[Word]:
    for text, (x0, y0, x1, y1, size, bold, hidden, rotation, mirrored, monospaced) in zip(
        texts, _WORD.iter_unpack(numbers), strict=True
    ):
        if not isinstance(text, str):
            raise BrokenFrameError("a word that is not text")
        yield Word(
            text,
            Box(x0, y0, x1, y1),
            size,
            bool(bold),
            bool(hidden),
            rotation % 360,
            bool(mirrored),
            bool(monospaced),
        )


def error_frame(error: DeepSeekOCRError) -> Frame:
    """Pack an error into a frame."""
    return Frame(
        {
            "error": type(error).__name__,
            "problem": error.problem,
            "source": error.source,
            "page": error.page,
            "remedy": error.remedy,
        }
    )


def error_from(frame: Frame, source: str) -> DeepSeekOCRError | None:
    """Unpack an error, with ``source`` as its source; None if the frame holds no error.

    Raises:
        BrokenFrameError: If the error is not of one of our classes.
    """
    message: dict[str, Any] = frame.message
    if "error" not in message:
        return None
    name, page, remedy = message["error"], message.get("page"), message.get("remedy")
    kind = getattr(errors, name) if name in errors.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
        raise BrokenFrameError("an error of an unknown class")
    return kind(
        _text(message.get("problem")),
        # An invalid argument has nothing to do with the document.
        source=None if kind is ConfigurationError or message.get("source") is None else source,
        page=page if isinstance(page, int) else None,
        remedy=None if remedy is None else _text(remedy),
    )


def _pixels(frame: Frame) -> PixelPicture:
    size = (_count(frame, "width"), _count(frame, "height"))
    if not all(size) or PIXEL_BYTES * size[0] * size[1] != len(frame.body):
        raise BrokenFrameError(f"{len(frame.body)} bytes for a picture of {size}")
    return PixelPicture(frame.body, *size)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise BrokenFrameError("a value that is not text, or too long")
    return value


def _count(frame: Frame, key: str) -> int:
    value = frame.message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BrokenFrameError(f"{key} is not a count")
    return value


def _number(frame: Frame, key: str) -> float:
    value = frame.message.get(key)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise BrokenFrameError(f"{key} is not a number")
    return float(value)
