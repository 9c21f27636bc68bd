"""Keeps a spreadsheet from running a cell's text as a formula.

Excel, LibreOffice and Google Sheets take a cell that begins with ``= + - @``, even after white
space, for a formula. A formula can start programs (``=cmd|...``) and send the contents of other
cells to a server. An apostrophe in front makes it text (OWASP, "CSV Injection"). The part after
a line break, a tab or a semicolon is treated like a cell, because some spreadsheets begin one
there. Numbers with a sign stay numbers, and a dash alone stays a dash.
"""

from __future__ import annotations

import re
from typing import Final

from ..text.visible import visible

__all__ = ["without_formulas"]

_CELL_ENDS: Final = re.compile(r"([\n\t;])")
_UNSEEN: Final = (
    " \t\n\r\v\f\u00a0\u1680\u2000\u200b\u200c\u200d\u2028\u2029\u202f\u2060\u3000\ufeff"
)
_SIGNS: Final = "-+\uff0b\uff0d"
_STARTS: Final = f"=@\uff1d\uff20{_SIGNS}"
"""Includes the full-width forms, which Japanese and Chinese versions treat like the ASCII ones."""

_HARMLESS: Final = re.compile(
    rf"[{_SIGNS}]"
    r"(?:[ \u00a0]?[$€£¥]?[ \u00a0]?\.?[0-9][0-9.,'\u2019 \u00a0\u202f\u2009]{0,60}"
    r"(?:[eE][+-]?[0-9]{1,3})?[ \u00a0]?[%‰$€£¥]?"
    rf"|[{_SIGNS}]{{0,9}})"
)
"""A number with a sign (``-1,234.5``, ``- 3 %``, ``+49 30 123``, ``-$5``, ``-1e-5``), or dashes."""


def without_formulas(text: str) -> str:
    """Write a cell's text for CSV, with an apostrophe before anything that could be a formula."""
    parts = [_as_text(part) for part in _CELL_ENDS.split(visible(text))]
    if text[:1] in ("\t", "\n"):
        # Some spreadsheets remove the white space and read what follows as a formula.
        parts.insert(0, "'")
    return "".join(parts)


def _as_text(part: str) -> str:
    seen = part.strip(_UNSEEN)
    if seen[:1] and seen[0] in _STARTS and not _HARMLESS.fullmatch(seen):
        return f"'{part}"
    return part
