"""Pictures as frames, sent in strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from .frames import StreamedFrame

__all__ = ["PIXEL_BYTES", "picture_frame"]

PIXEL_BYTES = 4
"""Bytes of each pixel as it is sent."""

_STRIP_BYTES = 2**18


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
