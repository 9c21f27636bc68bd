"""What a renderer does: open the bytes of a document and give its pages one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from ...document.text_layer import TextLayer

__all__ = ["OpenedDocument", "PageInfo"]


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page before it is rendered.

    Attributes:
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
        label: Printed label where the file records one.
    """

    width: float
    height: float
    label: str | None = None


class OpenedDocument(Protocol):
    """An opened file. Page numbers are 1-based. Not thread-safe unless it says so."""

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        ...

    def info(self, number: int) -> PageInfo:
        """Size and label of a page.

        Raises:
            PageRenderError: If the page is damaged.
        """
        ...

    def render(self, number: int, long_side: int) -> Image:
        """The displayed page as an RGB picture whose long side has that many pixels.

        Raises:
            PageRenderError: If the page is damaged.
            LimitExceededError: If it takes longer than the limits allow.
        """
        ...

    def text_layer(self, number: int) -> TextLayer | None:
        """The page's text with boxes; None where the format cannot have one.

        Raises:
            PageRenderError: If the page is damaged.
        """
        ...

    def close(self) -> None:
        """Free the file."""
        ...
