"""The interface of renderers, which open documents and draw their pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from ...document.text_layer import TextLayer

__all__ = ["OpenedDocument", "PageInfo"]


@dataclass(frozen=True, slots=True)
class PageInfo:
    """The size and label of a page, known without rendering it."""

    width: float  # of the displayed page in points
    height: float  # of the displayed page in points
    label: str | None = None  # printed label, if the file records one


class OpenedDocument(Protocol):
    """An open file. Page numbers are 1-based; a damaged page raises a PageRenderError.

    Implementations say whether they are thread-safe.
    """

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        ...

    def info(self, number: int) -> PageInfo:
        """Return the size and label of a page."""
        ...

    def render(self, number: int, long_side: int) -> Image:
        """Render the displayed page as an RGB picture whose long side has ``long_side`` pixels."""
        ...

    def text_layer(self, number: int) -> TextLayer | None:
        """Read the page's text with boxes; None for formats that have no text."""
        ...

    def close(self) -> None:
        """Free the file."""
        ...
