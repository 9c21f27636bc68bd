"""Shows an answer in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Literal

from ..document.sanitize import labelled_html, markdown_to_html
from ..text.visible import visible

__all__ = ["answer_html"]


def answer_html(
    title: str,
    text: str,
    sources: Iterable[tuple[str, int, str]],
    problems: Iterable[tuple[str, str]],
    warnings: Iterable[str] = (),
) -> str:
    """An answer with its sources as HTML, with nothing active in it.

    Args:
        title: The line above the answer.
        text: The answer; Markdown.
        sources: Document, page and words that ``[1]``, ``[2]`` in the text cite.
        problems: Sentences that no source supports, each with the reason.
        warnings: What else a user should know.
    """
    cited = _list((f"{source}, page {page}: {quote}" for source, page, quote in sources), "ol")
    notes = [f"Not supported: {said} ({why})" for said, why in problems]
    listed = _list((*notes, *warnings), "ul")
    return labelled_html(title, markdown_to_html(text) + cited + listed)


def _list(items: Iterable[str], tag: Literal["ol", "ul"]) -> str:
    """Escaped lines as a list; an empty text if there are none."""
    lines = "".join(f"<li>{html.escape(visible(item))}</li>" for item in items)
    return f"<{tag}>{lines}</{tag}>" if lines else ""
