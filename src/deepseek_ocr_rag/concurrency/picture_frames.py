"""Pictures as frames, and pixels that are passed on unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from .frames import Frame, StreamedFrame

__all__ = ["PIXEL_BYTES", "PixelPicture", "picture_frame", "pixel_frame"]

PIXEL_BYTES = 4
"""Bytes of each pixel as it is sent."""

_STRIP_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class PixelPicture:
    """The pixels of an RGB picture as they came from the process that drew it.

    To turn them into a picture and back into pixels would take this process longer than everything
    else that it does for a page.
    """

    data: bytes | bytearray | memoryview = field(repr=False)
    width: int
    height: int

    @classmethod
    def of(cls, picture: Image.Image) -> PixelPicture:
        """The pixels of an RGB picture."""
        return cls(picture.tobytes("raw", "RGBX"), picture.width, picture.height)

    def picture(self) -> Image.Image:
        """The picture."""
        size = (self.width, self.height)
        return Image.frombytes("RGB", size, self.data, "raw", "RGBX")


def pixel_frame(pixels: PixelPicture, message: dict[str, Any]) -> Frame:
    """What :func:`picture_frame` makes of the picture, without a copy."""
    return Frame({**message, "width": pixels.width, "height": pixels.height}, pixels.data)


def picture_frame(picture: Image.Image, message: dict[str, Any] | None = None) -> StreamedFrame:
    """An RGB picture as a frame, its size added to the message.

    It has four bytes a pixel: Pillow takes eight times as long for three.
    """
    message = {**(message or {}), "width": picture.width, "height": picture.height}
    return StreamedFrame(message, PIXEL_BYTES * picture.width * picture.height, _strips(picture))


def _strips(picture: Image.Image) -> Iterator[bytes]:
    # Sent whole, it would be in the memory of the drawing process two more times.
    rows = max(1, _STRIP_BYTES // (PIXEL_BYTES * picture.width))
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        yield picture.crop((0, top, picture.width, bottom)).tobytes("raw", "RGBX")
