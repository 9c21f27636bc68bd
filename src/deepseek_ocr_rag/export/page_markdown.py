"""A page as it stands in a Markdown file: its number in front, its pictures in their places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..document.captions import companions, is_caption
from ..document.sanitize import inert_markdown
from ..document.types import Block, Page

__all__ = ["alt_text", "page_markdown"]

MAX_CAPTION: Final = 300
"""Characters of a caption that become the picture's alternative text."""


def page_markdown(
    page: Page, figures: Sequence[tuple[Block, str]] = (), *, left_out: int = 0
) -> str:
    """A page as it stands in the Markdown file, with its figures where they belong.

    What the page itself says is written so that no viewer acts on it: see
    :func:`~deepseek_ocr_rag.document.sanitize.inert_markdown`.

    Args:
        page: The page.
        figures: Image blocks of it with the path of their picture.
        left_out: How many pictures were not written; a comment says so.

    Returns:
        Text that ends with an empty line.
    """
    parts = [f"<!-- page {page.number} -->"]
    if not page.ok:
        parts.append(f"<!-- not read: {comment(page.error or 'for an unknown reason')} -->")
    text, done = "", 0
    for block, path in sorted(figures, key=lambda figure: figure[0].span[0]):
        link = f"![{alt_text(caption_of(page, block))}]({path})"
        at = block.span[0]
        text += inert_markdown(page.markdown[done:at])
        after = page.markdown[at:]
        text += paragraph_break(text, at_end=True) + link + paragraph_break(after, at_end=False)
        done = at
    text += inert_markdown(page.markdown[done:])
    if text:
        parts.append(text)
    if left_out:
        parts.append(f"<!-- {left_out} more pictures on this page were not written -->")
    return "\n\n".join(parts) + "\n\n"


def paragraph_break(neighbour: str, *, at_end: bool) -> str:
    """The line ends that are missing for an empty line towards a neighbouring text."""
    kept = neighbour.rstrip("\n") if at_end else neighbour.lstrip("\n")
    return "\n" * max(0, 2 - (len(neighbour) - len(kept))) if kept else ""


def caption_of(page: Page, image: Block) -> str:
    """The captions of an image, or its page where it has none."""
    place = next(i for i, block in enumerate(page.blocks) if block is image)
    members = [page.blocks[i] for i in companions(page.blocks)[place]]
    captions = " ".join(block.text for block in members if is_caption(block, image))
    return captions or f"Figure on page {page.number}"


def alt_text(caption: str) -> str:
    """A caption as the alternative text of a Markdown picture: one line, nothing active in it."""
    plain = " ".join(caption[: 4 * MAX_CAPTION].split())
    if len(plain) > MAX_CAPTION:
        plain = plain[: MAX_CAPTION - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]()<>#!|&$~])", r"\\\1", plain)


def comment(text: str) -> str:
    """Text that cannot end the HTML comment it stands in: no two hyphens in a row."""
    return re.sub("-(?=-)", "- ", " ".join(text.split()))
