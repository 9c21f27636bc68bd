"""What the renderers share: the size of a page in pixels, its deadline, limits and errors."""

from __future__ import annotations

import math
import time

from ...errors import (
    ConfigurationError,
    CorruptSourceError,
    LimitExceededError,
    PageRenderError,
    PasswordError,
)
from ..limits import Limits

__all__ = [
    "Deadline",
    "check_character_count",
    "check_image_pixels",
    "fitted",
    "no_pages",
    "page_failed",
    "password_refused",
    "short_label",
]

_LABEL_CHARACTERS = 100


class Deadline:
    """When a page has taken too long.

    Attributes:
        source: Name of the document.
        page: The 1-based page.
    """

    def __init__(self, limits: Limits, source: str, page: int) -> None:
        self.source = source
        self.page = page
        self._seconds = limits.page_seconds
        self._end = time.monotonic() + limits.page_seconds

    def passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._end

    def check(self) -> None:
        """Raise :meth:`error` if the time is up."""
        if self.passed():
            raise self.error()

    def error(self) -> LimitExceededError:
        """The error for a page that has taken too long."""
        return LimitExceededError(
            f"the page took longer than {self._seconds:g} seconds",
            source=self.source,
            page=self.page,
            remedy="Raise Limits(page_seconds=...), or leave this page out.",
        )


def fitted(
    width: float, height: float, long_side: int, limits: Limits, *, source: str, page: int
) -> tuple[int, int]:
    """Width and height in pixels of a page whose long side gets ``long_side`` pixels.

    Only the ratio of ``width`` and ``height`` matters, so huge pages need no more
    memory than others.

    Raises:
        ConfigurationError: If ``long_side`` is not positive.
        PageRenderError: If the page has no area.
        LimitExceededError: If these are more than ``limits.image_pixels``.
    """
    if long_side < 1:
        raise ConfigurationError(
            f"cannot render a page with a long side of {long_side} pixels",
            remedy="Pass a positive number of pixels.",
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
            f"a rendering of {pixels[0]} x {pixels[1]} pixels exceeds the limit of "
            f"{limits.image_pixels:,}",
            source=source,
            page=page,
            remedy="Pass a smaller long side, or raise Limits(image_pixels=...).",
        )
    return pixels


def check_image_pixels(pixels: float, limits: Limits, *, source: str, page: int) -> None:
    """Raise LimitExceededError if an image on a PDF page has more pixels than allowed."""
    if pixels > limits.image_pixels:
        raise LimitExceededError(
            f"it contains an image of {pixels:,.0f} pixels and the limit is "
            f"{limits.image_pixels:,}",
            source=source,
            page=page,
            remedy="Raise Limits(image_pixels=...) if you trust the file.",
        )


def check_character_count(count: int, limits: Limits, *, source: str, page: int) -> None:
    """Raise LimitExceededError if a text layer has more characters than allowed."""
    if count > limits.page_characters:
        raise LimitExceededError(
            f"its text layer has {count:,} characters and the limit is {limits.page_characters:,}",
            source=source,
            page=page,
            remedy="Raise Limits(page_characters=...), or leave this page out.",
        )


def short_label(label: str) -> str | None:
    """A page's printed label, bounded; None if it is blank."""
    return label[:_LABEL_CHARACTERS].strip() or None


def password_refused(source: str, password: str | None) -> PasswordError:
    """The error for an encrypted PDF that the password, if any, does not open."""
    problem = "the PDF is encrypted" if password is None else "the password is wrong"
    return PasswordError(problem, source=source, remedy="Pass the right password=... to open it.")


def no_pages(source: str) -> CorruptSourceError:
    """The error for a PDF without a page."""
    return CorruptSourceError(
        "the PDF has no pages",
        source=source,
        remedy="It may be damaged: try to repair it, for example with qpdf.",
    )


def page_failed(source: str, page: int) -> PageRenderError:
    """The error for a page that the library cannot load or draw."""
    return PageRenderError(
        "the page is damaged and cannot be read",
        source=source,
        page=page,
        remedy="Leave this page out, or repair the file, for example with qpdf.",
    )
