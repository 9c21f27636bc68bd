"""Restores allowed tags in escaped text where they are properly nested."""

from __future__ import annotations

import re

__all__ = ["let_through"]


def let_through(escaped: str, tag: re.Pattern[str]) -> str:
    """Turns escaped tags back into tags where each is opened and closed in order.

    Args:
        escaped: Text as :func:`html.escape` returns it.
        tag: Matches an allowed tag in escaped text; group 1 is the slash of a
            closing tag, group 2 the name.

    Returns:
        The text with those tags in lower case, without attributes. Unbalanced and
        crossing tags stay escaped.

    Example:
        >>> let_through("H&lt;sub&gt;2&lt;/sub&gt;O &lt;sub&gt;", re.compile("&lt;(/?)(sub)&gt;"))
        'H<sub>2</sub>O &lt;sub&gt;'
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
