"""How many tokens a text has, without a tokenizer."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["estimate_tokens"]

_LETTERS: Final = re.compile(r"[A-Za-z]+")
_SINGLE: Final = re.compile(r"[^A-Za-z ]| (?=[0-9])")


def estimate_tokens(text: str) -> int:
    """How many tokens a text has at most, for the tokenizers in use, without any of them.

    Three ASCII letters, one other character, or the blank before a digit count
    as a token: English words have about four letters a token, and digits and
    marks often stand alone. Models that were not trained on Chinese or Japanese
    need up to two tokens a character there; :class:`ModelReply` reports a
    context that was full after all.
    """
    letters = sum((len(word) + 2) // 3 for word in _LETTERS.findall(text))
    return letters + sum(1 for _ in _SINGLE.finditer(text))
