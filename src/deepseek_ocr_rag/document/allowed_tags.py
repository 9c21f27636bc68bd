"""Lets allowed tags through where they are properly nested, and escapes all others."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["let_through"]


def let_through(text: str, tag: re.Pattern[str], refused: Callable[[str], str] = str) -> str:
    """Writes allowed tags anew where each is opened and closed in order.

    ``tag`` matches what is or may be a tag; in an allowed one, group 1 is the slash of a closing
    tag and group 2 the name. Allowed tags come out in lower case, without attributes; every other
    match, and unbalanced and crossing tags, go through ``refused``.
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
