"""Fences what comes from a document, so that a model can tell it from the tool's own words.

Anybody may have written a page, a file's name or a heading. A text is put between two identical
lines that its author cannot predict; control tokens, invisible characters and lines that look like
the tool's own are broken up in it. A name or a heading, which is in the tool's own lines, is
reduced to one line without brackets.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Final

from ..text.control_tokens import harmless, one_line

__all__ = ["FENCE_CHARS", "Fence", "document_text", "own_words"]

FENCE_CHARS: Final = 22

_OWN_LINE: Final = re.compile(
    r"\[(?=\s{0,3}(?:end of|there (?:is|are)|to go on|page\s{0,3}[0-9]|[0-9]{1,4}\. ))",
    re.IGNORECASE,
)
"""The beginnings of the lines that mark pages, and the end, in the tools' replies."""

_BRACKETS: Final = str.maketrans("[]", "()")


class Fence:
    """Makes the lines around text from documents; each reply has its own.

    The line is a hash of a secret and of everything that is fenced, so the same reply always has the
    same fence, and no text can contain its own fence.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)

    def line(self, texts: Iterable[str]) -> str:
        """The line before and after each of the texts of one reply."""
        digest = hashlib.blake2b(key=self._secret, digest_size=8)
        for text in texts:
            digest.update(text.encode("utf-8", "replace") + b"\x00")
        return f"==={digest.hexdigest()}==="


def document_text(text: str) -> str:
    """Make the text of a document harmless, without lines that look like the tool's own."""
    return _OWN_LINE.sub(lambda match: f"{match[0]} ", harmless(text))


def own_words(text: str) -> str:
    """Make a name, heading or error fit for a line of the tool's own: one line, no brackets."""
    return one_line(text).translate(_BRACKETS)
