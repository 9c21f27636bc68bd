"""Notices that a server withheld the model's layout marks, and says what to do.

llama.cpp's server, and Ollama from 0.30 on, which runs it, drop control tokens from a
reply but still count them. In DeepSeek-OCR these are the marks of blocks, boxes and table
cells: what arrives is ``title[[108, 62, 489, 95]]`` and ``<table>ItemCost</table>``.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["OLLAMA_CURE", "SERVER_CURE", "hidden_tokens", "hidden_warning"]

OLLAMA_CURE: Final = "run `dsocr ollama-model` once and read the page again"
SERVER_CURE: Final = "start llama-server with --special, and read the page again"

FEWEST: Final = 4
"""A block has four marks. Fewer missing tokens may be pieces that the server joined."""

_MARK = re.compile(r"<\|/?(?:ref|det)\|>|</?t[dr]\b")
_BOX = r"\[\d{1,3}(?:, ?\d{1,3}){3}\]"
_BARE_HEAD = re.compile(rf"^\w{{1,40}}\[{_BOX}(?:, ?{_BOX})*\][ \t]*$", re.MULTILINE)
_TABLE = "<table>"


def hidden_tokens(
    text: str, tokens: int | None, pieces: int, *, ended: bool, token_a_piece: bool
) -> int:
    """Return how many layout tokens the server withheld; 0 if it sent all that it should.

    Args:
        text: The reply.
        tokens: How many tokens the server counted; None if it does not say.
        pieces: How many pieces of text arrived.
        ended: Whether the end token is among the counted ones.
        token_a_piece: Whether the server sends each token by itself. Others join tokens, so that
            missing pieces alone prove nothing.
    """
    if _MARK.search(text):
        return 0
    missing = None if tokens is None else max(0, tokens - pieces - ended)
    cells_lost = _TABLE in text
    if cells_lost or _BARE_HEAD.search(text):
        # A table without cells cannot be shown, whatever was counted.
        return max(missing or 0, int(cells_lost or missing is None))
    if not token_a_piece or missing is None:
        return 0
    # The bytes of a rare character are tokens of their own and come as one piece.
    joined = sum(len(character.encode("utf-8", "replace")) - 1 for character in text)
    return missing if missing - joined >= FEWEST else 0


def hidden_warning(server: str, count: int, cure: str) -> str:
    """Make the page's warning for :func:`hidden_tokens`."""
    many = f"{count} layout tokens" if count > 1 else "layout tokens"
    return (
        f"{server} withheld {many}: boxes were read from what was left, and tables lost their "
        f"cells; {cure}"
    )
