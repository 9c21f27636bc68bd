"""A page image as the bytes that a server is sent, and what it costs in tokens.

Pages go as PNG: exact, so that a recorded reply can be reproduced, and at
``compress_level=1`` smaller than a JPEG of quality 95 for born-digital pages,
though somewhat larger for scans. ``benchmarks/engine/page_upload.py`` measures both.
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Final

from PIL.Image import Image, Transpose

from ..errors import BackendReplyError, ConfigurationError
from .attempts import AttemptSettings
from .base import PageRequest

__all__ = ["CONTEXT_TOKENS", "new_tokens", "png_bytes", "png_data_url", "request_as", "turned"]

CONTEXT_TOKENS: Final = 8192
"""Positions of DeepSeek-OCR: image, prompt and reply together (its config.json)."""

IMAGE_TOKENS: Final = 16 * 17 + 1 + 90 * 11
"""The most that an image takes: a global view of 1024 (16 rows of 16 and one
line token, one separator) and nine tiles of 640 on top of each other (90 rows
of 10 and one line token), from the published model code."""


_TURNS: Final = {
    90: Transpose.ROTATE_270,
    180: Transpose.ROTATE_180,
    270: Transpose.ROTATE_90,
}
"""Pillow counts counter-clockwise."""


def turned(image: Image, degrees: int) -> Image:
    """The image turned clockwise by 0, 90, 180 or 270 degrees."""
    return image.transpose(_TURNS[degrees]) if degrees else image


def request_as(request: PageRequest, settings: AttemptSettings) -> PageRequest:
    """The request with the prompt and the picture of one attempt.

    For backends that cannot choose a mode: another one makes the picture smaller.
    """
    image = request.image
    if image is not None:
        image = turned(image, settings.turn)
        side = settings.mode.long_side
        if settings.mode != request.mode and side < max(image.size):
            image = image.copy()
            image.thumbnail((side, side))
    return replace(request, image=image, task=settings.task, mode=settings.mode)


def new_tokens(prompt: str, context: int = CONTEXT_TOKENS) -> int:
    """How many tokens a reply may have beside the largest image and the prompt.

    Args:
        prompt: The text that is asked. No token of a byte-level vocabulary is
            shorter than a byte, so its bytes bound its tokens.
        context: Tokens that the model sees at once.

    Raises:
        ConfigurationError: If nothing is left.
    """
    left = context - IMAGE_TOKENS - len(prompt.encode()) - 1
    if left < 1:
        raise ConfigurationError(
            f"a context of {context} tokens has no room for a page and its prompt",
            remedy=f"Use {CONTEXT_TOKENS}, which is what the model was trained for.",
        )
    return left


def png_bytes(request: PageRequest) -> bytes:
    """The request's image as PNG.

    Raises:
        BackendReplyError: If the request carries no image.
    """
    if request.image is None:
        raise BackendReplyError(
            "there is no page image to send",
            source=request.source,
            page=request.page,
            remedy="Give an image; this backend reads no text layers.",
        )
    return _encode(request.image)


def png_data_url(request: PageRequest) -> str:
    """The request's image as a ``data:`` URL; errors as :func:`png_bytes`."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(request)).decode("ascii")


def _encode(image: Image) -> bytes:
    buffer = io.BytesIO()
    exact = image if image.mode in ("RGB", "L") else image.convert("RGB")
    exact.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
