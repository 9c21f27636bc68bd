"""Tags of a page that are let through an escaped text: those that are closed in their order."""

from __future__ import annotations

import re

__all__ = ["let_through"]


def let_through(escaped: str, tag: re.Pattern[str]) -> str:
    """Make tags again of those that were escaped, where each is closed as HTML wants it.

    Args:
        escaped: Text as :func:`html.escape` returns it.
        tag: What to let through as it stands in such a text; its first group
            holds the slash of a closing tag, its second the name.

    Returns:
        The text with those tags in lower case and without attributes. One that
        nothing closes or opens, or that crosses another, stays escaped.

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
