"""Finds a text in the blocks of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["TextHit", "find_hits"]


@dataclass(frozen=True, slots=True)
class TextHit:
    """Where a text is.

    Attributes:
        page: 1-based page.
        block: Which of the page's blocks, from 0.
        start: First character in the block's text.
        end: Offset after its last character.
    """

    page: int
    block: int
    start: int
    end: int


def find_hits(page: dict[str, Any], text: str) -> Iterator[TextHit]:
    """Find a text in a page as JSON, ignoring case and the kind of white space.

    Args:
        page: As :meth:`.Page.to_dict` makes it.
        text: What to find.
    """
    words = text.split()
    if not words:
        return
    pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
    for index, block in enumerate(page["blocks"]):
        for match in pattern.finditer(block["text"]):
            yield TextHit(page["number"], index, match.start(), match.end())
