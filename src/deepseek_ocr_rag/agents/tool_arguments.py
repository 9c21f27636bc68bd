"""Checks the arguments that a model fills in: pages, words, boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from ..document.types import Box
from ..errors import ConfigurationError

__all__ = ["PageChoice", "check_words", "page_selection", "region_of"]

PageChoice: TypeAlias = str | int | Sequence[int] | None
"""Pages as models write them: ``"1-3,7"``, ``3``, ``[1, 2, 3]``; None for all."""


def page_selection(pages: PageChoice) -> str | list[int] | None:
    """The pages as :meth:`Reader.open` takes them; "all", "none", "null" and "" mean all."""
    if pages is None or isinstance(pages, str):
        return pages if pages and pages.strip().lower() not in {"all", "none", "null"} else None
    return [pages] if isinstance(pages, int) else list(pages)


def check_words(words: str) -> None:
    """Refuse blank words with a ConfigurationError."""
    if not words.strip():
        raise ConfigurationError("there is nothing to look for", remedy="Give a few words.")


def region_of(box: Sequence[float] | None) -> Box:
    """The part of the page that four fractions name; the whole page for None."""
    values = (0.0, 0.0, 1.0, 1.0) if box is None else tuple(box)
    if len(values) == 4 and all(math.isfinite(v) and 0 <= v <= 1 for v in values):
        return Box.clamped(*values)
    raise ConfigurationError(
        "the box is not valid",
        remedy="Give four fractions of the page from 0 to 1: left, top, right, bottom, as "
        "search_document and locate print them; leave it out for the whole page.",
    )
