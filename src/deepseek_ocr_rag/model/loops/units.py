r"""Splits model text into units, between which loop detection searches for repetitions.

A unit is a word, a number, a tag, a LaTeX command, an empty table cell, a character,
or a run of one character ("......", "0 0 0 0 0 0 0 0"). White space and table tags are
not units, because cells repeat wherever the rows break. But empty rows of different
widths do not occur in real tables, so they weigh heavily.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["TextUnit", "UnitStream"]

LONGEST_RUN: Final = 256
"""Most repetitions in one run; after that a new run begins."""

LONGEST_UNIT: Final = 96
"""Most characters of a unit that is not a run: this much at the end of the text may
still become part of another unit."""

LEADERS: Final = "._-=*…·•─―—"
"""Characters that pages fill lines with."""

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_UNIT = re.compile(
    rf"""
      (?P<run>(\S)(?:\s{{0,3}}\2){{7,{LONGEST_RUN - 1}}})
    | (?P<blank>\s{{64,{LONGEST_RUN}}})
    | (?P<cell><t[dh]\b[^<>]{{0,48}}>\s{{0,3}}</t[dh]>)
    | (?P<skipped></?(?:table|thead|tbody|tr|td|th)\b[^<>]{{0,48}}>|\s+)
    | (?P<tag><\|?/?[A-Za-z]\w{{0,31}}\|?>)
    | (?P<command>\\(?:begin|end)\{{[A-Za-z]{{1,32}}\*?\}}|\\[A-Za-z]{{1,32}})
    | (?P<ideograph>[{_CJK}])
    | (?P<number>[0-9]{{1,15}})
    | (?P<word>[^\W\d_{_CJK}]{{1,32}})
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)

SHORT_WORD: Final = 2
"""Longest word, in letters, that weighs as little as a mark."""

_WEIGHTS: Final[dict[str, tuple[float, float]]] = {
    "word": (2.5, 4.0),
    "ideograph": (1.0, 2.0),
    "number": (0.5, 4.0),
    "digit": (0.5, 1.5),
    "cell": (0.5, 0.5),
    "cell after a ragged row": (4.0, 0.5),
    "mark": (0.25, 0.75),
    "long run": (16.0, 1.5),
}
"""Score of a unit for a loop if it was predicted, and against one if it was not. They
were chosen together with the thresholds in :mod:`.loop_score`."""


class TextUnit(NamedTuple):
    """One unit of a text; a page has thousands. Offsets are those in the whole text."""

    text: str  # identifies the unit; empty for a number, which ``value`` identifies
    value: int | None
    start: int
    end: int  # after its last character
    hit: float  # score for a loop if it was predicted
    miss: float  # score against a loop if it was not
    has_content: bool  # whether it is a number or a word of three letters or more
    is_run: bool  # whether it is a run of one character other than a leader or rule
    in_table: bool  # HTML or Markdown


class UnitStream:
    """Splits a growing text into units, the same ones whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._rest = ""
        self._offset = 0
        self._row = _Row()

    @property
    def length(self) -> int:
        """Characters of the text so far."""
        return self._offset + len(self._rest)

    def push(self, piece: str) -> list[TextUnit]:
        """Add a piece and return the units that it completes; short pieces are collected first."""
        self._rest += piece
        if len(self._rest) < 2 * LONGEST_UNIT:
            return []
        return self._take(len(self._rest) - LONGEST_UNIT)

    def finish(self) -> list[TextUnit]:
        """Return the remaining units; nothing may be pushed afterwards."""
        return self._take(None)

    def _take(self, limit: int | None) -> list[TextUnit]:
        """Return the units that begin before ``limit`` and do not touch the end; None takes all."""
        text, base = self._rest, self._offset
        units = []
        done = 0
        for match in _UNIT.finditer(text):
            if limit is not None and (match.start() >= limit or match.end() == len(text)):
                break
            done = match.end()
            if match.lastgroup == "skipped":
                skipped = match[0]
                (self._row.tag if skipped.startswith("<") else self._row.space)(skipped)
            else:
                units.append(_unit(match, base, self._row))
        self._rest = text[done:]
        self._offset = base + done
        return units


class _Row:
    """The current table row, and the width of the one before."""

    __slots__ = ("_before", "_begins", "_empty", "_open", "_piped", "_ragged", "_width")

    def __init__(self) -> None:
        self._width = self._before = 0
        self._empty = True
        self._ragged = False
        self._open = self._piped = False
        self._begins = True

    @property
    def in_table(self) -> bool:
        """Whether the text is inside a table."""
        return self._open or self._piped

    def space(self, space: str) -> None:
        """Add white space: a line that begins with a pipe is a row."""
        if "\n" in space:
            self._begins, self._piped = True, False

    def tag(self, tag: str) -> None:
        """Add a table tag."""
        self._open = not tag.startswith("</table")
        if tag.startswith("<tr"):
            self._ragged = self._empty and 0 < self._width != self._before > 0
            self._before, self._width, self._empty = self._width, 0, True
        elif tag.startswith(("<td", "<th")) and not tag.startswith(("<thead", "<tbody")):
            self._width += 1

    def content(self, text: str) -> None:
        """Add any other content of the row."""
        self._empty = False
        self._piped = self._piped or (self._begins and text == "|")
        self._begins = False
        # A table that is not closed ends with its block.
        self._open = self._open and text != "<|ref|>"

    def cell(self) -> str:
        """Add an empty cell; returns its kind of weight."""
        self._width += 1
        kind = "cell after a ragged row" if self._ragged else "cell"
        self._ragged = False
        return kind


def _unit(match: re.Match[str], base: int, row: _Row) -> TextUnit:
    kind, text, value = match.lastgroup, match[0], None
    weight = kind if kind in _WEIGHTS else "mark"
    if kind == "number":
        weight = "digit" if len(text) == 1 else "number"
        text, value = "", int(text)
    elif kind == "word" and len(text) <= SHORT_WORD:
        weight = "mark"
    elif kind == "cell":
        text, weight = "<td></td>", row.cell()
    elif kind in ("run", "blank"):
        # Shorter runs are all alike, whatever their length.
        character = match[2] or " "
        long = len(text) - sum(map(str.isspace, text)) * (kind == "run") == LONGEST_RUN
        weight = "long run" if long else "mark"
        text = f"{character}{weight}"
    if kind != "cell":
        row.content(text)
    return TextUnit(
        text,
        value,
        base + match.start(),
        base + match.end(),
        *_WEIGHTS[weight],
        has_content=weight in ("word", "number", "digit"),
        is_run=kind == "run" and match[2] not in LEADERS,
        in_table=row.in_table,
    )
