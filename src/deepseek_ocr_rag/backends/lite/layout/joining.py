"""Joins words to text: orders them within a line, and adds spaces and line ends.

The only character that may be dropped is the hyphen of a word that is divided at
the end of a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby

from ....text.line_ends import is_cjk, seam
from .pieces import LayoutPiece

__all__ = ["is_rtl", "join_lines", "line_text", "reading_sequence"]


def is_rtl(text: str) -> bool:
    """Return whether most characters that have a direction run right to left (Arabic, Hebrew)."""
    balance = 0
    for char in text:
        if char.isascii():
            balance -= char.isalpha()
        else:
            direction = unicodedata.bidirectional(char)
            balance += direction in ("R", "AL")
            balance -= direction == "L"
    return balance > 0


def _is_ltr(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in ("L", "EN", "AN") for char in text)


def reading_sequence(pieces: Sequence[LayoutPiece]) -> list[LayoutPiece]:
    """Put the words of one line in reading order.

    A line that runs right to left is read from its right end, except for Latin words and numbers in
    it; in a line that runs left to right it is the other way round.
    """
    ordered = sorted(pieces, key=lambda p: (p.x0, p.x1))
    if all(p.text.isascii() for p in ordered):
        return ordered
    rtl_line = is_rtl("".join(p.text for p in ordered))
    if rtl_line:
        ordered.reverse()
    result: list[LayoutPiece] = []
    for against, run in groupby(
        ordered, key=lambda p: (_is_ltr(p.text) and not is_rtl(p.text)) == rtl_line
    ):
        words = list(run)
        if against and (rtl_line or all(is_rtl(p.text) for p in words)):
            words.reverse()
        result.extend(words)
    return result


def line_text(pieces: Sequence[LayoutPiece]) -> str:
    """Join words in the given order to the text of a line, with spaces where they belong.

    Struck words are put between two ``~~``.
    """
    parts: list[str] = []
    previous: LayoutPiece | None = None
    for piece in pieces:
        if previous is not None and previous.struck and not piece.struck:
            parts.append("~~")
        if previous is not None and not _glued(previous, piece):
            parts.append(" ")
        if piece.struck and not (previous is not None and previous.struck):
            parts.append("~~")
        parts.append(piece.text)
        previous = piece
    if previous is not None and previous.struck:
        parts.append("~~")
    return "".join(parts)


def _glued(left: LayoutPiece, right: LayoutPiece) -> bool:
    if not (left.text and right.text and is_cjk(left.text[-1]) and is_cjk(right.text[0])):
        return False
    gap = max(right.x0 - left.x1, left.x0 - right.x1)
    return gap < 0.5 * max(left.height, right.height)


def join_lines(lines: Sequence[str], vocabulary: frozenset[str] = frozenset()) -> str:
    """Join the lines of a paragraph, none of them empty, to one text.

    ``exam-`` and ``ple`` become ``example``. The case-folded ``vocabulary`` of the page decides
    which words keep their hyphen: ``well-`` and ``known`` stay ``well-known``.
    """
    text = ""
    for line in lines:
        if not text:
            text = line
            continue
        dropped, between = seam(text, line, vocabulary)
        text = f"{text[: len(text) - dropped]}{between}{line}"
    return text
