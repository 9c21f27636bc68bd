"""Finds the section of each block: the headings above it, carried from page to page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .markdown import heading_level
from .types import Block

__all__ = ["HEADING_KINDS", "Headings", "section_of", "with_sections"]

Headings = tuple[tuple[int, str], ...]
"""The current headings, outermost first: level (1 to 6, ascending) and title."""

HEADING_KINDS = {"title": 1, "sub_title": 2}
"""The labels of headings, each with its level if the text has no ``#``."""


def section_of(kind: str, text: str, headings: Headings) -> tuple[tuple[str, ...], Headings]:
    """Returns the section of a block, and the current headings after it.

    The section of a heading contains only headings of higher rank. The text of a heading may have
    several lines with ``#``.
    """
    above: Headings | None = None
    before = headings
    if kind in HEADING_KINDS:
        for line in text.split("\n"):
            level = heading_level(line)
            title = line[level:].strip().strip("#").strip() if level else ""
            if title:
                higher = tuple(h for h in headings if h[0] < level)
                above = higher if above is None else above
                headings = (*higher, (level, title))
    return tuple(title for _, title in (before if above is None else above)), headings


def with_sections(
    blocks: Iterable[Block], headings: Headings = ()
) -> tuple[tuple[Block, ...], Headings]:
    """Sets each block's section; also returns the current headings at the bottom of the page.

    Only blocks of kind title and sub_title are headings (a ``#`` in a text block is more often a
    comment in code); their level is the number of ``#``.
    """
    placed = []
    section = tuple(title for _, title in headings)
    for block in blocks:
        own = section
        if block.kind in HEADING_KINDS:
            own, headings = section_of(block.kind, block.text, headings)
            section = tuple(title for _, title in headings)
        placed.append(replace(block, section=own))
    return tuple(placed), headings
