"""Writes a page as Markdown for a file: first its number, then its text with its pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..document.captions import companions, is_caption
from ..document.sanitize import inert_markdown
from ..document.types import Block, Page
from ..text.counted import counted
from ..text.visible import visible

__all__ = ["page_markdown"]

MAX_CAPTION: Final = 300
"""Most characters of a caption that become the picture's alternative text."""


def page_markdown(
    page: Page, figures: Sequence[tuple[Block, str]] = (), *, left_out: int = 0
) -> str:
    """The Markdown of a page, inert for viewers, with its figures where they belong.

    ``figures`` are image blocks, each with the path of its picture; ``left_out`` is the number of
    pictures that were not written, for a comment. The text ends with an empty line.
    """
    parts = [f"<!-- page {page.number} -->"]
    if not page.ok:
        parts.append(f"<!-- not read: {_comment(page.error or 'for an unknown reason')} -->")
    text, done = "", 0
    for block, path in sorted(figures, key=lambda figure: figure[0].span[0]):
        link = f"![{_alt_text(_caption_of(page, block))}]({path})"
        at = block.span[0]
        text += inert_markdown(page.markdown[done:at])
        after = page.markdown[at:]
        text += _paragraph_break(text, at_end=True) + link + _paragraph_break(after, at_end=False)
        done = at
    text += inert_markdown(page.markdown[done:])
    if text:
        parts.append(text)
    if left_out:
        parts.append(f"<!-- not written: {counted(left_out, 'more picture')} on this page -->")
    return "\n\n".join(parts) + "\n\n"


def _paragraph_break(neighbour: str, *, at_end: bool) -> str:
    """The newlines that are still needed for an empty line between a picture and its neighbour."""
    kept = neighbour.rstrip("\n") if at_end else neighbour.lstrip("\n")
    return "\n" * max(0, 2 - (len(neighbour) - len(kept))) if kept else ""


def _caption_of(page: Page, image: Block) -> str:
    """The captions of an image, or "Figure on page N" if it has none."""
    index = next(i for i, block in enumerate(page.blocks) if block is image)
    members = [page.blocks[i] for i in companions(page.blocks)[index]]
    captions = " ".join(block.text for block in members if is_caption(block, image))
    return captions or f"Figure on page {page.number}"


def _alt_text(caption: str) -> str:
    """A caption as alternative text of a Markdown picture: one line, nothing active."""
    plain = " ".join(visible(caption[: 4 * MAX_CAPTION]).split())
    if len(plain) > MAX_CAPTION:
        plain = plain[: MAX_CAPTION - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]()<>#!|&$~])", r"\\\1", plain)


def _comment(text: str) -> str:
    """Makes text safe in an HTML comment: without two hyphens in a row it cannot end it."""
    return re.sub("-(?=-)", "- ", " ".join(visible(text).split()))
