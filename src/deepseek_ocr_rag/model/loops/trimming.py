r"""Cuts loops out of model text and leaves valid text in the model's grammar.

The first copy of a loop stays, and so does the text after the loop. The text is cut at the end of a
block, a table row, a line or a sentence; no half tag is left, and a table that was cut is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .detector import Loop
from .text_edits import Edit, edited

__all__ = ["trimmed", "trims"]

_ROW_END: Final = re.compile(r"(?<=</tr>)")
_BOUNDARIES: Final = (
    re.compile(r"(?=<\|ref\|>)"),
    _ROW_END,
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?]\s)|(?<=[。！？])"),
    re.compile(r"(?<=</td>)|(?<=\s)"),
)
"""Where a text may be cut, the best boundary first."""

LONGEST_TAG: Final = 300
"""Characters after which a tag that is not closed counts as broken."""

_HALF_TAG = re.compile(
    r"<(?:\|(?:(?:ref|det)\|>(?:(?!<\|/det\|>)[^\n])*|[a-z/|]*)|/?[a-z][^<>\n]*)?\Z"
)
_MARKER = re.compile(r"<\|(/?)(?:ref|det)\|>")
_NEXT_TABLE = re.compile(r"<(/?)table|<\|ref\|>")
_TAGS = re.compile(r"(?:</?(?:table|thead|tbody|tr|td|th)\b[^<>]{0,48}>|\s)+\Z")
"""Table tags and white space before a word; they are not units (:mod:`.units`)."""

_CELLS = re.compile(r"<(/?)(td|th|tr)\b")


def trimmed(text: str, *loops: Loop) -> str:
    """Return the text without the repeats of its loops and without trailing white space."""
    return edited(text, trims(text, loops)).rstrip()


def trims(text: str, loops: Iterable[Loop]) -> tuple[Edit, ...]:
    """Return the edits of :func:`trimmed`, one for each loop, in order."""
    edits: list[Edit] = []
    for loop in sorted(loops, key=lambda loop: loop.start):
        done = edits[-1].end if edits else 0
        begin = max(done, _begin(text, loop))
        end = max(begin, loop.end + _torn_tag(text[loop.end :]))
        edits.append(Edit(begin, end, _seam(text[:begin], text[end:])))
    return tuple(edits)


def _begin(text: str, loop: Loop) -> int:
    """Find the best offset to cut at, within one copy after the start of the repeats."""
    period = max(1, round(loop.period))
    stop = min(loop.end, loop.start + period)
    cut = loop.start
    for boundary in _BOUNDARIES:
        match = boundary.search(text, loop.start, stop + len("<|ref|>"))
        if match and match.start() <= stop:
            cut = match.start()
            if boundary is _ROW_END:
                cut = _row_before(text, loop.start, cut, period)
            break
    head = text[:cut]
    tag = head.rfind("<|ref|>")
    begins = tag if tag >= 0 and "<|/det|>" not in head[tag:] else cut - LONGEST_TAG
    half = _HALF_TAG.search(head, max(0, begins, cut - LONGEST_TAG))
    return half.start() if half else cut


def _row_before(text: str, start: int, cut: int, period: int) -> int:
    """Return the end of the row before a loop's first word, else ``cut``, the end of that word's row.

    A loop begins with a word, not with the tags of its row, so the row of its second copy would stay.
    It is cut too if the copy before it has the same row.
    """
    tags = _TAGS.search(text, max(0, start - LONGEST_TAG), start)
    end = _ROW_END.search(text, tags.start(), start) if tags else None
    if end is None:
        return cut
    before = text[max(0, end.start() - 2 * period) : end.start()]
    return end.start() if text[end.start() : cut] in before else cut


def _torn_tag(tail: str) -> int:
    """Return the length of the rest of a tag that begins inside the loop."""
    first = _MARKER.search(tail[:LONGEST_TAG])
    if first is None or not first[1]:
        return 0
    index = tail.find("<|/det|>", 0, 2 * LONGEST_TAG)
    return index + len("<|/det|>") if index >= 0 else first.end()


def _seam(head: str, tail: str) -> str:
    """Return the text between the parts, which closes a table, opens it again, or continues it."""
    inside = head.rfind("<table") > head.rfind("</table")
    following = _NEXT_TABLE.search(tail)
    goes_on = following is not None and bool(following[1])
    between = "<table>" if goes_on and not inside else ""
    if inside and not goes_on:
        between = _closing(head[head.rfind("<table") :])
    if not tail.strip() or goes_on:
        return between
    return f"{between}\n\n" if tail.startswith("<|") or between else " "


def _closing(table: str) -> str:
    """Return the end tags that are missing in a table."""
    opened: list[str] = []
    for closes, name in _CELLS.findall(table):
        if not closes:
            opened.append(name)
        elif name in opened:
            del opened[opened.index(name) :]
    cell = next((f"</{name}>" for name in reversed(opened) if name != "tr"), "")
    return cell + ("</tr>" if "tr" in opened else "") + "</table>"
