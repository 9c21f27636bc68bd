"""Shows an answer in a notebook."""

from __future__ import annotations

from collections.abc import Iterable

from ..document.html_list import html_list
from ..document.sanitize import labelled_html, markdown_to_html

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
        title: What stands above it.
        text: The answer; Markdown.
        sources: Document, page and words of what ``[1]``, ``[2]`` in the text cite.
        problems: Sentences that no source supports, each with the reason.
        warnings: What else a user should know.
    """
    cited = html_list((f"{source}, page {page}: {quote}" for source, page, quote in sources), "ol")
    notes = [f"Not supported: {said} ({why})" for said, why in problems]
    listed = html_list((*notes, *warnings), "ul")
    return labelled_html(title, markdown_to_html(text) + cited + listed)
