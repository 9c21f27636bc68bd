"""Decides whether the text at the end of a column or page continues in the next one."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_finished", "runs_on"]

_FINISHED: Final = re.compile(r"[.!?…:;。！？：；｡][\"'”’“‘»)\]」』）*_]{0,4}$")
_UNFINISHED: Final = re.compile(r"[,‚،、，\-‐\u00ad\ufffe\u0002]$")
_ITEM: Final = re.compile(
    r"[-–—*•●○▪■‣·#|<>]|o\s|\(?(?:[0-9]{1,3}|[^\W\d_]|[ivxIVX]{1,5})[.)、．](?:\s|$)"
)
_PROSE: Final = re.compile(r"[,.;，。、；،]")

FEWEST_WORDS: Final = 4
"""A text with fewer words does not continue: it may be a label in a drawing."""

FEWEST_LETTERS: Final = 12
"""The same limit in characters, for scripts without capitals."""


def is_finished(text: str) -> bool:
    """Whether a text ends with a full stop, colon, semicolon or another closing mark."""
    return _FINISHED.search(text.rstrip()[-8:]) is not None


def runs_on(text: str, following: str) -> bool:
    """Whether a text continues in the one that follows it in reading order; neither is empty.

    It does if it ends with a comma or a hyphen, or if it has no closing mark at its end and the
    following text begins with a small letter. In a script without capitals it must contain
    punctuation, as prose does. A text of a few words never continues, and a list item never
    continues a text.
    """
    text, following = text.strip(), following.lstrip()
    first = following[0]
    if is_finished(text) or _ITEM.match(following) or not first.isalnum():
        return False
    if first.isalpha() and not (first.islower() or first.isupper()):
        return len(text) >= FEWEST_LETTERS and _PROSE.search(text) is not None
    if len(text.split()) < FEWEST_WORDS:
        return False
    return first.islower() or _UNFINISHED.search(text) is not None
