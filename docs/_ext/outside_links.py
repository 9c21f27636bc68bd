"""Links that lead out of ``docs/``, which work in the repository, become plain names on the site."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]+)\]\((?P<path>(?:\.\./)+[^)\s#]+)\)")


def name_outside_files(app: Sphinx, docname: str, content: list[str]) -> None:
    """Replace each such link by its text, and by the file's name if the text is another."""
    docs = Path(app.srcdir)
    page = (docs / docname).parent

    def named(link: re.Match[str]) -> str:
        target = (page / link["path"]).resolve()
        if target.is_relative_to(docs) or not target.exists():
            return link[0]
        name = target.relative_to(docs.parent).as_posix()
        return f"`{name}`" if link["text"] == name else f"{link['text']} (`{name}`)"

    content[0] = LINK.sub(named, content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to the reading of pages."""
    app.connect("source-read", name_outside_files)
    return {"parallel_read_safe": True}
