"""Tells blank pages from others."""

from __future__ import annotations

from typing import Final, cast

from PIL.Image import Image

__all__ = ["has_ink"]

INK_CONTRAST: Final = 8
"""Grey levels, of 255. If no two 4 x 4 blocks of pixels differ by more, the page has
nothing to read."""

STRIP_ROWS: Final = 128
"""Rows of pixels examined at once; a multiple of 4, so that blocks stay whole."""


def has_ink(image: Image) -> bool:
    """Whether anything on the page stands out from its background."""
    darkest, lightest = 255, 0
    # Strip by strip from the top, because on most pages the first few strips decide.
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        # The extrema of one grey channel are two numbers; Pillow's types allow for more.
        low, high = cast("tuple[int, int]", strip.convert("L").reduce(4).getextrema())
        darkest, lightest = min(darkest, low), max(lightest, high)
        if lightest - darkest > INK_CONTRAST:
            return True
    return False
