"""Makes untrusted text safe to show: to a terminal, in a file name or label, to a language model.

============================  =================================================================
function                      what it removes, and how
============================  =================================================================
:func:`visible`               control codes of a terminal; each becomes U+FFFD
:func:`json_line`             the same in JSON; each becomes an escape, so that nothing is lost
:func:`printable`             everything that is not printable, line ends included
:func:`without_invisible`     characters in which a message for a language model can hide
============================  =================================================================
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

__all__ = ["json_line", "printable", "visible", "without_invisible"]

_TERMINAL_CODES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that control a terminal or reverse the order of others."""


def visible(text: str) -> str:
    """Replaces what a terminal would obey with U+FFFD; newlines and tabs stay."""
    return _TERMINAL_CODES.sub("\N{REPLACEMENT CHARACTER}", text)


def json_line(value: dict[str, Any] | list[Any]) -> str:
    """Writes JSON on one line; what a terminal would obey becomes a JSON escape."""
    text = json.dumps(value, ensure_ascii=False)
    return _TERMINAL_CODES.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def printable(text: str, replacement: str = "?") -> str:
    """Replaces every character that is not printable, line ends included."""
    return "".join(c if c.isprintable() else replacement for c in text)


def without_invisible(text: str) -> str:
    """Removes format characters and turns control characters into spaces.

    Newlines, tabs and the joiners that some scripts need stay.
    """
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t\u200c\u200d":
        return character
    return {"Cf": "", "Cc": " "}.get(unicodedata.category(character), character)
