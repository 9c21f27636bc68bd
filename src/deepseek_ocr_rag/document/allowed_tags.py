"""Lets allowed HTML tags through where they are properly nested, and escapes all others."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["let_through"]


def let_through(text: str, tag: re.Pattern[str], refused: Callable[[str], str] = str) -> str:
    """Rewrites allowed tags that are properly nested, in lower case and without attributes.

    Args:
        text: The text with its tags.
        tag: Matches anything that is or may be a tag. In an allowed tag, group 1 is the slash of a
            closing tag and group 2 the name; in any other match, group 2 is empty.
        refused: Returns the replacement of every other match, and of unbalanced or crossing tags.
    """
    opened: list[re.Match[str]] = []
    kept: dict[int, str] = {}
    for match in tag.finditer(text):
        name = (match[2] or "").lower()
        if name == "br":
            kept[match.start()] = "<br>"
        elif name and not match[1]:
            opened.append(match)
        elif name and opened and opened[-1][2].lower() == name:
            kept[opened.pop().start()] = f"<{name}>"
            kept[match.start()] = f"</{name}>"
    return tag.sub(lambda match: kept.get(match.start()) or refused(match[0]), text)
