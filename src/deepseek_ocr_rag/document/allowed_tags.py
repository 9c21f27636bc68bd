"""Restores allowed tags in escaped text where they are properly nested."""

from __future__ import annotations

import re

__all__ = ["let_through"]


def let_through(escaped: str, tag: re.Pattern[str]) -> str:
    """Turns escaped tags back into tags where each is opened and closed in order.

    ``tag`` matches an allowed tag in the text of :func:`html.escape`; group 1 is the slash of a
    closing tag, group 2 the name. Tags come out in lower case, without attributes; unbalanced and
    crossing ones stay escaped.
    """
    opened: list[re.Match[str]] = []
    kept: dict[int, str] = {}
    for match in tag.finditer(escaped):
        name = match[2].lower()
        if name == "br":
            kept[match.start()] = "<br>"
        elif not match[1]:
            opened.append(match)
        elif opened and opened[-1][2].lower() == name:
            kept[opened.pop().start()] = f"<{name}>"
            kept[match.start()] = f"</{name}>"
    return tag.sub(lambda match: kept.get(match.start(), match[0]), escaped)
