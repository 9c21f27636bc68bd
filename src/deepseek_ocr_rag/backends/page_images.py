"""Prepares page images for a server: turns, shrinks and encodes them, and counts their tokens."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from PIL.Image import Image, Transpose

from ..concurrency.png_pictures import encode_png
from ..errors import ConfigurationError
from ..model.families import FAMILIES
from ..model.prompts import MODES, TASKS, Mode
from .attempts import AttemptSettings
from .base import PageRequest

__all__ = [
    "CONTEXT_TOKENS",
    "fewer_tokens",
    "new_tokens",
    "picture_tokens",
    "png_base64",
    "png_bytes",
    "prompt_tokens",
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

_PUBLISHED_PROMPTS: Final[Mapping[str, int]] = {
    TASKS[name].prompt: count
    for name, count in (("document", 9), ("ocr", 6), ("free", 4), ("figure", 5), ("describe", 7))
}
"""Tokens of the published prompts with the line end before them; a test checks the counts."""

_TURNS: Final = {90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}
"""Pillow turns counter-clockwise."""


def turned(image: Image, degrees: int) -> Image:
    """Turn an image clockwise by 0, 90, 180 or 270 degrees."""
    return image.transpose(_TURNS[degrees]) if degrees else image


def request_as(request: PageRequest, settings: AttemptSettings) -> PageRequest:
    """Return the request with the prompt and the picture of one attempt.

    It is for backends that cannot choose the mode: there, a mode other than the request's can only
    make the picture smaller.
    """
    asked = replace(request, task=settings.task, resolution=settings.mode)
    side = settings.mode.long_side
    shrunk = settings.mode != request.resolution and side < max(request.size)
    if not shrunk and not settings.turn:
        return asked
    image = turned(request.drawn(), settings.turn)
    if shrunk:
        image = image.copy()
        image.thumbnail((side, side))
    return replace(asked, image=image, png=None, pixels=None)


def resolution_warnings(server: str, mode: Mode) -> tuple[str, ...]:
    """Warn that a server chooses the resolution itself, if the user asked for one.

    Args:
        server: How the user knows it.
        mode: The mode that was requested.
    """
    if mode.crop:
        return ()
    return (f"{server} decides on the resolution: {mode.name} only set the size of the picture",)


def fewer_tokens(mode: Mode) -> str:
    """Return the end of a warning about a full context: what takes fewer tokens, if anything does.

    Only a mode that cuts the page into tiles takes many.

    Args:
        mode: The mode in which the page was read.
    """
    return '; resolution "base" takes fewer tokens' if mode.crop else ""


def picture_tokens(size: tuple[int, int]) -> int:
    """Count the tokens of a picture that is cut into tiles, as servers do in every mode.

    The published rule allows up to nine tiles. No server makes more tokens from a picture;
    vLLM stops at six tiles.

    Args:
        size: Width and height in pixels.
    """
    # Imported late: numpy is not needed before a page is asked for.
    from ..model.views import page_grid

    family, gundam = FAMILIES["deepseek-ocr"], MODES["gundam"]
    return family.image_tokens(gundam.base_size, page_grid(*size, gundam, family))


def prompt_tokens(prompt: str) -> int:
    """Count the tokens of a prompt, the line end before it and the begin token.

    For a prompt of the user's own this is an upper limit: every token of a byte-level vocabulary
    has at least one byte.
    """
    return 1 + _PUBLISHED_PROMPTS.get(prompt, 1 + len(prompt.encode()))


def new_tokens(
    prompt: str, context: int = CONTEXT_TOKENS, picture: tuple[int, int] | None = None
) -> int:
    """Return how many tokens are left for a reply after the image and the prompt.

    Args:
        prompt: The words after the image.
        context: Context length in tokens.
        picture: Width and height of the image in pixels; None leaves room for the largest.

    Raises:
        ConfigurationError: If nothing is left.
    """
    image = IMAGE_TOKENS if picture is None else picture_tokens(picture)
    left = context - image - prompt_tokens(prompt)
    if left < 1:
        short = context < CONTEXT_TOKENS
        raise ConfigurationError(
            f"a context of {context} tokens is too short for a page and its prompt",
            remedy=f"Use {CONTEXT_TOKENS}, the context length of the model."
            if short
            else "Shorten the prompt.",
        )
    return left


def png_bytes(request: PageRequest) -> bytes:
    """Return the request's image as PNG; raises what :meth:`PageRequest.drawn` raises."""
    if request.image is None and request.png is not None:
        return request.png.data
    return encode_png(request.drawn()).data


def png_base64(request: PageRequest) -> bytes:
    """Return the request's image as PNG in base64; raises what :func:`png_bytes` raises."""
    return base64.b64encode(png_bytes(request))
