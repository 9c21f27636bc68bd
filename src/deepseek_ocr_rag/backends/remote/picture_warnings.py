"""Warns about how a server showed a page's picture to the model."""

from __future__ import annotations

from ..base import PageRequest
from ..page_images import resolution_warnings

__all__ = ["picture_warnings"]


def picture_warnings(
    server: str, request: PageRequest, prompt_tokens: int | None
) -> tuple[str, ...]:
    """Say what the model really saw, if that is known and differs; else, what may differ.

    Args:
        server: How the user knows it.
        request: The page as it was sent: its picture, task and mode.
        prompt_tokens: The server's count of picture and prompt, or None.
    """
    # Imported late: numpy is not needed before a page has been read.
    from ...model.tile_rules import picture_seen, tile_warning

    seen = None if prompt_tokens is None else picture_seen(prompt_tokens, request.task)
    if seen is None or (request.image is None and request.png is None):
        return resolution_warnings(server, request.resolution)
    warning = tile_warning(server, seen, *request.size, request.resolution)
    return () if warning is None else (warning,)
