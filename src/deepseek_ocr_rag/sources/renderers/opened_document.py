"""The interface of renderers, which open documents and draw their pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from ...document.text_layer import TextLayer

__all__ = ["OpenedDocument", "PageInfo"]


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What is known about a page without rendering it.

    Attributes:
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
        label: Printed label, if the file records one.
    """

    width: float
    height: float
    label: str | None = None


class OpenedDocument(Protocol):
    """An open file. Page numbers are 1-based. Implementations say whether they are thread-safe."""

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
        """The displayed page as an RGB picture whose long side has ``long_side`` pixels.

        Raises:
            PageRenderError: If the page is damaged.
            LimitExceededError: If it takes longer than the limits allow.
        """
        ...

    def text_layer(self, number: int) -> TextLayer | None:
        """The page's text with boxes; None for formats that have no text.

        Raises:
            PageRenderError: If the page is damaged.
        """
        ...

    def close(self) -> None:
        """Free the file."""
        ...
