"""Text of anybody's for a terminal, which takes some characters for commands."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

__all__ = ["json_line", "visible", "without_invisible"]

_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Without characters that control a terminal or turn the order of others around.

    Each becomes U+FFFD, so that it is seen that there was one; line ends and tabs stay.
    """
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


def json_line(value: dict[str, Any] | list[Any]) -> str:
    """JSON on one line that reads back as it was, and commands no terminal."""
    text = json.dumps(value, ensure_ascii=False)
    return _COMMANDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def without_invisible(text: str) -> str:
    """A text without format characters, in which a message can hide, and control characters.

    Line ends, tabs and the joiners that some scripts need stay.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\n\t\u200c\u200d":
        return character
    return {"Cf": "", "Cc": " "}.get(unicodedata.category(character), character)
