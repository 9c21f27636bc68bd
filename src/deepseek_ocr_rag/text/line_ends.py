"""How the end of one line joins the start of the next: hyphens, compounds, scripts without spaces."""

from __future__ import annotations

__all__ = ["SOFT_HYPHENS", "is_cjk", "seam"]


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
