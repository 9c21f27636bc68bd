"""Makes untrusted text safe for a prompt: no control tokens, nothing invisible.

Chat templates of language models begin and end turns with tokens that are written
``<|im_start|>``, ``<start_of_turn>``, ``[INST]``, ``<tool_call>``. In the text of a document they
would open a turn of the conversation. A space after their first character breaks them up.
"""

from __future__ import annotations

import re
from typing import Final

from .visible import without_invisible

__all__ = ["harmless", "one_line"]

_HTML: Final = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "center",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "small",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
    ]
)
"""HTML tags that pages and Markdown use, without ``<s>``, with which Llama begins a text."""

_TOKEN: Final = re.compile(
    r"<(?=[|｜])"
    r"|<(?=/?([A-Za-z][\w:.-]{0,40})[^<>\n]{0,80}>)"
    r"|\[(?=/?(?:INST|SYS|IMG|THINK|ARGS|CALL_ID|PREFIX|SUFFIX|MIDDLE|[A-Z]{1,20}_[A-Z_]{1,30})[ \]])"
)


def harmless(text: str) -> str:
    """Remove invisible characters and break up control tokens of chat templates."""
    return _TOKEN.sub(_broken, without_invisible(text))


def one_line(text: str) -> str:
    """Make a text harmless and put it on one line, for a file's name, a heading or an error."""
    return " ".join(harmless(text).split())


def _broken(match: re.Match[str]) -> str:
    html = match[1] is not None and match[1].lower() in _HTML
    return match[0] if html else f"{match[0]} "
