"""Names the part of a page that was not read, so that no answer claims that the page lacks something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .captions import FIGURE_KINDS
from .types import Block, Page

__all__ = ["large_pictures", "unread_part"]

LARGE_PICTURE: Final = 0.05
"""A picture that covers this share of the page may contain text that a user would miss."""


def large_pictures(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return the pictures on a page that may hold text, which no backend writes out."""
    return tuple(
        block
        for block in blocks
        if block.kind in FIGURE_KINDS and sum(box.area for box in block.boxes) >= LARGE_PICTURE
    )


def unread_part(page: Page) -> str:
    """Name the part of a page that was not read, for the middle of a sentence; "" if all was read.

    Example:
        >>> unread_part(Page(2, finish_reason="error", error="no reply"))
        'page 2'
    """
    if page.finish_reason == "error":
        return f"page {page.number}"
    if page.finish_reason in ("length", "repetition"):
        return f"the end of page {page.number}"
    if large_pictures(page.blocks):
        return f"pictures on page {page.number}"
    return ""
