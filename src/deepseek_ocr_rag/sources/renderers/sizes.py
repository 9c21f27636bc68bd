"""What renderers share: the pixels of a page, its deadline, its errors."""

from __future__ import annotations

import math
import time

from ...errors import ConfigurationError, LimitExceededError, PageRenderError
from ..limits import Limits

__all__ = ["Deadline", "fitted", "page_failed"]


class Deadline:
    """The moment at which a page has taken too long.

    Attributes:
        source: The document.
        page: The 1-based page.
    """

    def __init__(self, limits: Limits, source: str, page: int) -> None:
        self.source = source
        self.page = page
        self._seconds = limits.page_seconds
        self._end = time.monotonic() + limits.page_seconds

    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() > self._end

    def check(self) -> None:
        """Raise :meth:`error` if it is too late."""
        if self.passed():
            raise self.error()

    def error(self) -> LimitExceededError:
        """The error that says so."""
        return LimitExceededError(
            f"the page took longer than {self._seconds:g} seconds",
            source=self.source,
            page=self.page,
            remedy="Raise Limits(page_seconds=...), or leave this page out.",
        )


def fitted(
    width: float, height: float, long_side: int, limits: Limits, *, source: str, page: int
) -> tuple[int, int]:
    """Pixels of a page of that shape whose long side has ``long_side`` pixels.

    Only the ratio of the sides counts, so pages of any size, in points or in
    pixels, are as safe as others.

    Raises:
        ConfigurationError: If ``long_side`` is not positive.
        PageRenderError: If the page has no area.
        LimitExceededError: If that would be more than ``limits.image_pixels``.
    """
    if long_side < 1:
        raise ConfigurationError(
            f"a page cannot be rendered {long_side} pixels long",
            remedy="Ask for a positive number of pixels.",
        )
    longest = max(width, height)
    if not (width > 0 and height > 0 and math.isfinite(longest)):
        raise PageRenderError(
            f"the page has no area ({width:g} x {height:g} points)",
            source=source,
            page=page,
            remedy="The file is damaged: leave this page out.",
        )
    pixels = (
        max(1, round(width / longest * long_side)),
        max(1, round(height / longest * long_side)),
    )
    if pixels[0] * pixels[1] > limits.image_pixels:
        raise LimitExceededError(
            f"a rendering of {pixels[0]} x {pixels[1]} pixels is over the limit of "
            f"{limits.image_pixels:,}",
            source=source,
            page=page,
            remedy="Ask for a smaller long side, or raise Limits(image_pixels=...).",
        )
    return pixels


def page_failed(source: str, page: int) -> PageRenderError:
    """The error for a page that the library cannot load or draw."""
    return PageRenderError(
        "the page is damaged and cannot be read",
        source=source,
        page=page,
        remedy="Leave this page out, or repair the file, for example with qpdf.",
    )
