"""Defines a correction of a block, and puts it into a stored page: :class:`BlockCorrection`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...reading.cached_pages import page_from_json, page_to_json
from ..jobs import StoredPage
from .corrected_text import with_corrections

__all__ = ["BlockCorrection", "corrected_page"]


@dataclass(frozen=True, slots=True)
class BlockCorrection:
    """The text that a person put in place of a block's original text.

    Attributes:
        page: 1-based page of the document.
        block: Index of the block in the page's list of blocks, from 0.
        text: The text that the page now has.
        made: When it was stored, seconds since 1970.
    """

    page: int
    block: int
    text: str = field(repr=False)
    made: float


def corrected_page(stored: StoredPage, texts: Mapping[int, str]) -> StoredPage:
    """A stored page with its corrected texts, by index of the block."""
    if not texts:
        return stored
    page = with_corrections(page_from_json(stored.json), texts)
    return replace(stored, json=page_to_json(page), corrected=len(texts))
