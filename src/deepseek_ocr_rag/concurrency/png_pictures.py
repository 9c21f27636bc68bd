"""Pictures as PNG, as the drawing processes pass them on and servers get them.

PNG is lossless, so that a recorded reply can be reproduced. The encoder is our own, because
Pillow tries all five filters on every row. Ours uses no filter, stores grey pages as grey, and
compresses with Intel's ISA-L: a quarter of the time of zlib's fastest level, at a size that is
at most a fifth larger (``benchmarks/engine/page_upload.py`` measures both).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from PIL.Image import Image

from ..errors import BrokenFrameError

__all__ = ["PngPicture", "check_png", "encode_png", "longest_png"]

deflate: ModuleType = zlib
"""ISA-L's deflate, or zlib's, which takes longer, on machines for which ISA-L has no build."""
with suppress(ImportError):
    deflate = import_module("isal.isal_zlib")

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = struct.Struct(">IIBBBBB")
_GREY, _RGB = 0, 2

_FRAME_BYTES: Final = 57
"""The signature, and the length, name and check sum of three chunks, one with a header of 13."""

_STRIP_ROWS: Final = 64
"""Rows that are converted and compressed together, so that they stay in the CPU's cache."""


@dataclass(frozen=True, slots=True)
class PngPicture:
    """A picture of 8 bits a channel, RGB or grey, as a PNG file."""

    data: bytes
    width: int
    height: int


def encode_png(image: Image) -> PngPicture:
    """Any picture as PNG; it has one channel if all three are equal everywhere."""
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    colours, pixels = _GREY, _grey_strips(image)
    if pixels is None:
        colours, pixels = _RGB, (strip.tobytes() for strip in _strips(image))
    row = image.width * (1 if colours == _GREY else 3)
    header = _HEADER.pack(image.width, image.height, 8, colours, 0, 0, 0)
    parts = (
        _SIGNATURE,
        _chunk(b"IHDR", header),
        _chunk(b"IDAT", _compressed(pixels, row)),
        _chunk(b"IEND", b""),
    )
    return PngPicture(b"".join(parts), image.width, image.height)


def longest_png(long_side: int) -> int:
    """Most bytes of a picture from :func:`encode_png` whose long side has this many pixels."""
    # Deflate stores what it cannot compress, at a few bytes for each of its blocks.
    pixels = (3 * long_side + 1) * long_side
    return pixels + pixels // 64 + 1024


def check_png(picture: PngPicture) -> None:
    """Check that the file is built as :func:`encode_png` builds it; a BrokenFrameError if not.

    The pixels are not unpacked.
    """
    data = memoryview(picture.data)
    length = len(data) - _FRAME_BYTES
    header = bytes(data[16:29])
    expected = {
        _HEADER.pack(picture.width, picture.height, 8, colours, 0, 0, 0)
        for colours in (_GREY, _RGB)
    }
    built = (
        length >= 0
        and header in expected
        and data[:33] == _SIGNATURE + _chunk(b"IHDR", header)
        and data[33:41] == struct.pack(">I", length) + b"IDAT"
        and data[-16:-12] == struct.pack(">I", zlib.crc32(data[37:-16]))
        and data[-12:] == _chunk(b"IEND", b"")
    )
    if not built:
        raise BrokenFrameError(f"{len(data)} bytes that are not the PNG of a page")


def _strips(image: Image) -> Iterator[Image]:
    for top in range(0, image.height, _STRIP_ROWS):
        yield image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))


def _grey_strips(image: Image) -> Iterable[bytes] | None:
    """The only channel of a picture, strip by strip; None if a pixel has a colour."""
    if image.mode == "L":
        return (strip.tobytes() for strip in _strips(image))
    grey = []
    for strip in _strips(image):
        red, green, blue = (channel.tobytes() for channel in strip.split())
        if not red == green == blue:
            return None
        grey.append(red)
    return grey


def _compressed(strips: Iterable[bytes], row: int) -> bytes:
    packer = deflate.compressobj(1)
    parts = []
    for pixels in strips:
        # Each row begins with its filter: 0 means unfiltered.
        starts = range(0, len(pixels), row or 1)
        rows = b"".join(part for at in starts for part in (b"\0", pixels[at : at + row]))
        parts.append(packer.compress(rows))
    parts.append(packer.flush())
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
