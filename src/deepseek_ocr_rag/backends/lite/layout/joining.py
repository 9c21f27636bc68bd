"""Words to text: order within a line, spaces, and what happens where a line ends.

Nothing here drops a character but for one case: the hyphen of a word that was
divided at the end of a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby

from .pieces import Piece

__all__ = ["is_cjk", "is_rtl", "join_lines", "line_text", "reading_sequence", "seam"]

SOFT_HYPHENS = "\u00ad\ufffe\u0002"
"""A soft hyphen, and what PDFium writes for a hyphen at the end of a line."""

_HYPHENS = "-\u2010" + SOFT_HYPHENS

_COMPOUND_STARTS = frozenset(
    {
        "all",
        "cross",
        "double",
        "ex",
        "full",
        "half",
        "high",
        "inter",
        "large",
        "left",
        "long",
        "low",
        "mid",
        "multi",
        "near",
        "non",
        "on",
        "one",
        "open",
        "post",
        "pre",
        "right",
        "self",
        "semi",
        "short",
        "single",
        "small",
        "so",
        "third",
        "two",
        "well",
        "year",
    }
)
"""First parts that usually keep their hyphen."""

# Scripts that are written without spaces between words.
_CJK_RANGES = (
    (0x2E80, 0x303F),
    (0x3040, 0x30FF),
    (0x3100, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFF60),
    (0x20000, 0x3FFFF),
)


def is_cjk(char: str) -> bool:
    """Whether a character belongs to Chinese or Japanese, which put no spaces between words."""
    code = ord(char)
    return code >= 0x2E80 and any(low <= code <= high for low, high in _CJK_RANGES)


def is_rtl(text: str) -> bool:
    """Whether most strong characters run right to left (Arabic, Hebrew)."""
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


def reading_sequence(pieces: Sequence[Piece]) -> list[Piece]:
    """The words of one line in the order in which they are read.

    A line that runs right to left is read from its right end, but for the
    Latin words and numbers in it, and the other way round.
    """
    ordered = sorted(pieces, key=lambda p: (p.x0, p.x1))
    if all(p.text.isascii() for p in ordered):
        return ordered
    rtl_line = is_rtl("".join(p.text for p in ordered))
    if rtl_line:
        ordered.reverse()
    result: list[Piece] = []
    for against, run in groupby(
        ordered, key=lambda p: (_is_ltr(p.text) and not is_rtl(p.text)) == rtl_line
    ):
        words = list(run)
        result.extend(reversed(words) if against and (rtl_line or _all_rtl(words)) else words)
    return result


def _all_rtl(words: Sequence[Piece]) -> bool:
    return all(is_rtl(p.text) for p in words)


def line_text(pieces: Sequence[Piece]) -> str:
    """One line's text: its words in the order given, with a space where one is due."""
    parts: list[str] = []
    previous: Piece | None = None
    for piece in pieces:
        if previous is not None and not _glued(previous, piece):
            parts.append(" ")
        parts.append(piece.text)
        previous = piece
    return "".join(parts)


def _glued(left: Piece, right: Piece) -> bool:
    if not (left.text and right.text and is_cjk(left.text[-1]) and is_cjk(right.text[0])):
        return False
    gap = max(right.x0 - left.x1, left.x0 - right.x1)
    return gap < 0.5 * max(left.height, right.height)


def join_lines(lines: Sequence[str], vocabulary: frozenset[str] = frozenset()) -> str:
    """The lines of a paragraph as one text.

    Args:
        lines: In reading order, none of them empty.
        vocabulary: Case-folded words of the page, which decide whether a
            divided word keeps its hyphen.

    Returns:
        One line of text. ``exam-`` and ``ple`` become ``example``, ``well-``
        and ``known`` stay ``well-known``.
    """
    text = ""
    for line in lines:
        text = _append(text, line, vocabulary) if text else line
    return text


def seam(text: str, following: str, vocabulary: frozenset[str] = frozenset()) -> tuple[int, str]:
    """How a text goes on in another line, column or page.

    Args:
        text: Not empty, nor white space at its end.
        following: Not empty, nor white space at its beginning.
        vocabulary: As in :func:`join_lines`.

    Returns:
        How many characters of ``text``'s end do not belong to it (a dividing
        hyphen), and what comes between both (a space, or nothing).
    """
    last, first = text[-1], following[0]
    if last in SOFT_HYPHENS:
        return 1, ""
    if is_cjk(last) and is_cjk(first):
        return 0, ""
    if last in _HYPHENS and len(text) > 1 and text[-2].isalnum():
        return int(_is_divided(text, following, vocabulary)), ""
    return 0, " "


def _append(text: str, line: str, vocabulary: frozenset[str]) -> str:
    dropped, between = seam(text, line, vocabulary)
    return f"{text[: len(text) - dropped]}{between}{line}"


def _is_divided(text: str, line: str, vocabulary: frozenset[str]) -> bool:
    """Whether the hyphen at the end of a text divides a word, and no compound."""
    before = text[:-1].split()[-1].lstrip("([\"'\u201c\u2018")
    after = line.split()[0].rstrip(".,;:!?)]\"'\u201d\u2019")
    if not (before.isalpha() and line[0].islower()):
        # "1990-" "2000", "Jean-" "Paul", "state-of-the-" "art"
        return False
    whole, compound = (before + after).casefold(), f"{before}-{after}".casefold()
    keeps = compound in vocabulary or (
        whole not in vocabulary and before.casefold() in _COMPOUND_STARTS
    )
    return not keeps
