"""Makes untrusted text safe to show in a terminal or viewer, or to a language model.

:func:`visible`, :func:`visible_line` and :func:`json_line` are for people: characters that a
terminal would obey are replaced, or escaped in JSON, so that they can be seen.
:func:`without_invisible` is for language models: characters that can hide a message are removed.
:func:`storable` is for stores and files.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

__all__ = ["json_line", "storable", "visible", "visible_line", "without_invisible"]

_TERMINAL_CODES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that control a terminal or reverse the order of others."""
_NOT_IN_JSON: Final = re.compile(f"{_TERMINAL_CODES.pattern}|[\u2028\u2029]")
_LINE_BREAKS: Final = re.compile("[\n\t\u2028\u2029]")

_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, which databases refuse in text, and lone surrogates, which UTF-8 cannot encode."""


def storable(text: str) -> str:
    """Replaces NUL and lone surrogates, which stores refuse, with U+FFFD; offsets stay."""
    # Nearly all of the millions of short metadata texts need no change.
    if text.isascii() and "\x00" not in text:
        return text
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def visible(text: str) -> str:
    """Replaces characters that a terminal would obey with U+FFFD; newlines and tabs stay."""
    return _TERMINAL_CODES.sub("\N{REPLACEMENT CHARACTER}", text)


def visible_line(text: str) -> str:
    """Does the same on one line, so that a line break in a name cannot forge a line of output."""
    return _LINE_BREAKS.sub(" ", visible(text))


def json_line(value: dict[str, Any] | list[Any]) -> str:
    """Writes JSON on one line; characters that a terminal would obey, or that end a line, are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def without_invisible(text: str) -> str:
    """Removes invisible characters and turns control characters into spaces.

    Newlines and tabs stay; line and paragraph separators become newlines. The joiners that some
    scripts and emoji need stay, one at a time, but not beside ASCII, where they join nothing.
    Lone surrogates, which cannot be encoded, become U+FFFD.
    """
    return _JOINERS.sub(r"\1", "".join(map(_shown, text)))


_JOINERS: Final = re.compile(
    "(?<=[\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\x7f])|([\u200c\u200d])[\u200c\u200d]+"
)

_IGNORABLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2060-\u206f\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""The characters of Unicode's Default_Ignorable_Code_Point that are not in category Cf."""


def _shown(character: str) -> str:
    if character in "\n\t\u200c\u200d":
        return character
    if character < "\x7f":
        return character if character >= " " else " "
    if _IGNORABLE.match(character):
        return ""
    return _INSTEAD.get(unicodedata.category(character), character)


_INSTEAD: Final = {"Cf": "", "Cc": " ", "Zl": "\n", "Zp": "\n", "Cs": "\N{REPLACEMENT CHARACTER}"}
