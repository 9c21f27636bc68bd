"""Estimates the number of tokens in a text without a tokenizer."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["estimate_tokens"]

_LETTERS: Final = re.compile(r"[A-Za-z]+")
_BEFORE_DIGIT: Final = re.compile(r" (?=[0-9])")


def estimate_tokens(text: str) -> int:
    """Estimates an upper limit of a text's tokens for the tokenizers in common use.

    Three ASCII letters, one other character, or the space before a digit count
    as one token: English words have about four letters a token, and digits and
    punctuation are often tokens of their own. Models that were not trained on
    Chinese or Japanese need up to two tokens for each of their characters; if
    the context overflows because of that, the language model reports it.
    """
    words = _LETTERS.findall(text)
    singles = len(text) - sum(map(len, words)) - text.count(" ")
    return sum((len(word) + 2) // 3 for word in words) + singles + len(_BEFORE_DIGIT.findall(text))
