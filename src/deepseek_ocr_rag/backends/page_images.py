"""Prepares page images for a server: turned, made smaller, encoded; and what they cost in tokens.

Pages are sent as PNG. It is lossless, so that a recorded reply can be reproduced,
and with ``compress_level=1`` smaller than a JPEG of quality 95 for born-digital
pages, somewhat larger for scans (``benchmarks/engine/page_upload.py`` measures both).
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Final

from PIL.Image import Image, Transpose

from ..errors import ConfigurationError
from ..model.prompts import Mode
from .attempts import AttemptSettings
from .base import PageRequest

__all__ = [
    "CONTEXT_TOKENS",
    "new_tokens",
    "png_bytes",
    "png_data_url",
    "request_as",
    "resolution_warnings",
    "turned",
]

CONTEXT_TOKENS: Final = 8192
"""Context length of DeepSeek-OCR for image, prompt and reply together (its config.json)."""

IMAGE_TOKENS: Final = 16 * 17 + 1 + 90 * 11
"""The most tokens that an image takes: a global view of 1024 (16 rows of 16 and one
line token, one separator) and nine tiles of 640 on top of each other (90 rows
of 10 and one line token). Source: the published model code."""

_TURNS: Final = {
    90: Transpose.ROTATE_270,
    180: Transpose.ROTATE_180,
    270: Transpose.ROTATE_90,
}
"""Pillow turns counter-clockwise."""


def turned(image: Image, degrees: int) -> Image:
    """The image turned clockwise by 0, 90, 180 or 270 degrees."""
    return image.transpose(_TURNS[degrees]) if degrees else image


def request_as(request: PageRequest, settings: AttemptSettings) -> PageRequest:
    """The request with the prompt and the picture of one attempt.

    For backends that cannot choose the mode: another mode makes the picture smaller.

    Raises:
        SourceError: If the image can no longer be drawn.
        BackendReplyError: If the request has no image.
    """
    image = turned(request.drawn(), settings.turn)
    side = settings.mode.long_side
    if settings.mode != request.mode and side < max(image.size):
        image = image.copy()
        image.thumbnail((side, side))
    return replace(request, image=image, task=settings.task, mode=settings.mode)


def resolution_warnings(server: str, mode: Mode) -> tuple[str, ...]:
    """What to tell the user about a mode that a server cannot be asked for."""
    if mode.crop:
        return ()
    return (
        f"{server} decides on the resolution: mode {mode.name} only set the size of the picture",
    )


def new_tokens(prompt: str, context: int = CONTEXT_TOKENS) -> int:
    """How many tokens a reply may have beside the largest image and the prompt.

    Args:
        prompt: Its bytes are an upper bound of its tokens, as every token of a
            byte-level vocabulary has at least one byte.
        context: Context length in tokens.

    Raises:
        ConfigurationError: If nothing is left.
    """
    left = context - IMAGE_TOKENS - len(prompt.encode()) - 1
    if left < 1:
        raise ConfigurationError(
            f"a context of {context} tokens is too short for a page and its prompt",
            remedy=f"Use {CONTEXT_TOKENS}, the context length of the model.",
        )
    return left


def png_bytes(request: PageRequest) -> bytes:
    """The request's image as PNG; errors as :meth:`PageRequest.drawn`."""
    image = request.drawn()
    buffer = io.BytesIO()
    exact = image if image.mode in ("RGB", "L") else image.convert("RGB")
    exact.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def png_data_url(request: PageRequest) -> str:
    """The request's image as a ``data:`` URL; errors as :func:`png_bytes`."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(request)).decode("ascii")
