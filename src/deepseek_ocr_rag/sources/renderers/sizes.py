"""Code that the renderers share: the size of a page in pixels, limits, passwords, and errors."""

from __future__ import annotations

import math
import stringprep
import time
import unicodedata
from collections.abc import Iterator

from ...errors import (
    ConfigurationError,
    CorruptSourceError,
    LimitExceededError,
    PageRenderError,
    PasswordError,
)
from ..limits import Limits

__all__ = [
    "PageChecks",
    "no_pages",
    "normalized",
    "page_failed",
    "password_refused",
    "short_label",
    "spellings",
]

_LABEL_CHARACTERS = 100


class PageChecks:
    """Checks a page (1-based) against the limits; its time starts when this object is made."""

    def __init__(self, limits: Limits, source: str, page: int) -> None:
        self.limits = limits
        self.source = source
        self.page = page
        self._end = time.monotonic() + limits.page_seconds

    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._end

    def check_time(self) -> None:
        """Raise :meth:`too_late` if the time is up."""
        if self.is_late():
            raise self.too_late()

    def too_late(self) -> LimitExceededError:
        """Make the error for a page that has taken too long."""
        return self._exceeded(
            f"the page took longer than {self.limits.page_seconds:g} seconds",
            "Raise Limits(page_seconds=...), or leave this page out.",
        )

    def fitted(self, width: float, height: float, long_side: int) -> tuple[int, int]:
        """Compute width and height in pixels of a page whose long side gets ``long_side`` pixels.

        Only the ratio of ``width`` and ``height`` matters, so huge pages need no more memory than
        others.

        Raises:
            ConfigurationError: If ``long_side`` is not positive.
            PageRenderError: If the page has no area.
            LimitExceededError: If the result has more pixels than ``limits.image_pixels``.
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
                source=self.source,
                page=self.page,
                remedy="The file is damaged: leave this page out.",
            )
        across, down = (max(1, round(side / longest * long_side)) for side in (width, height))
        if across * down > self.limits.image_pixels:
            raise self._exceeded(
                f"a rendering of {across} x {down} pixels exceeds the limit of "
                f"{self.limits.image_pixels:,}",
                "Pass a smaller long side, or raise Limits(image_pixels=...).",
            )
        return across, down

    def check_image(self, pixels: float) -> None:
        """Raise LimitExceededError if an image on a PDF page has more pixels than allowed."""
        if pixels > self.limits.image_pixels:
            raise self._exceeded(
                f"it contains an image of {pixels:,.0f} pixels and the limit is "
                f"{self.limits.image_pixels:,}",
                "Raise Limits(image_pixels=...) if you trust the file.",
            )

    def check_characters(self, count: int) -> None:
        """Raise LimitExceededError if a text layer has more characters than allowed."""
        most = self.limits.page_characters
        if count > most:
            raise self._exceeded(
                f"its text layer has {count:,} characters and the limit is {most:,}",
                "Raise Limits(page_characters=...), or leave this page out.",
            )

    def _exceeded(self, problem: str, remedy: str) -> LimitExceededError:
        return LimitExceededError(problem, source=self.source, page=self.page, remedy=remedy)


def short_label(label: str) -> str | None:
    """Shorten a page's printed label; None if it is blank."""
    return label[:_LABEL_CHARACTERS].strip() or None


def password_refused(source: str, password: str | None) -> PasswordError:
    """Make the error for an encrypted PDF that the password, if any, does not open."""
    problem = "the PDF is encrypted" if password is None else "the password is wrong"
    return PasswordError(problem, source=source, remedy="Pass the right password=... to open it.")


def no_pages(source: str) -> CorruptSourceError:
    """Make the error for a PDF without a page."""
    return CorruptSourceError(
        "the PDF has no pages",
        source=source,
        remedy="It may be damaged: try to repair it, for example with qpdf.",
    )


def page_failed(source: str, page: int) -> PageRenderError:
    """Make the error for a page that the library cannot load or draw."""
    return PageRenderError(
        "the page is damaged and cannot be read",
        source=source,
        page=page,
        remedy="Leave this page out, or repair the file, for example with qpdf.",
    )


def spellings(password: str | None) -> Iterator[bytes | None]:
    """Yield the passwords to try, in UTF-8: as given, then normalised.

    For the old ciphers, pdfium itself also tries Latin-1.
    """
    if password is None:
        yield None
        return
    for spelling in dict.fromkeys((password, normalized(password))):
        yield spelling.encode("utf-8", "surrogatepass")


def normalized(password: str) -> str:
    """Apply the mapping and normalisation of SASLprep, which AES-256 PDFs require.

    Source: RFC 4013, 2.1 and 2.2; ISO 32000-2, 7.6.4.3.2.
    """
    mapped = (
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    return unicodedata.normalize("NFKC", "".join(mapped))
