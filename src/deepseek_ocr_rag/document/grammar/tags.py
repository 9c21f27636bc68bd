r"""Finds the model's layout tags in one linear pass, however broken they are.

A tag is ``<|ref|>label<|/ref|><|det|>[[x0, y0, x1, y1], ...]<|/det|>``
(DeepSeek-OCR and DeepSeek-OCR-2) or ``<|det|>label [x0, y0, x1, y1]<|/det|>``
(Unlimited-OCR). The text is cut at the four markers; then each marker and the
segments between them decide what is label, box list and body. In a broken tag, only
the markers, a known label and a list of plain coordinates are markup; everything
else is text and stays with its block. Tags that came without their marks are found by
:mod:`.bracket_tags`.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Box
from .box_lists import (
    MAX_JUNK,
    box_list,
    is_broken_list,
    list_at_head,
    odd_list,
    open_list,
    read_boxes,
)
from .bracket_tags import bracket_tags
from .labels import LABELS, may_be_label
from .runtime_noise import find_noise

__all__ = ["MARKER_LENGTH", "Origin", "TaggedText", "looks_like_label", "scan"]

Origin = tuple[int, int]
"""A stretch of the model's text: ``(start, end)`` in characters."""

MARKER_LENGTH = len("<|ref|>")
"""Characters in the marker that begins a tag; ``<|det|>`` has as many."""

MAX_LABEL = 300
"""Most characters in a label: with "OCR this image", labels are lines of a page, which reach 40."""

_MARKER = re.compile(r"<\|(/?(?:ref|det))\|>")
_WORD = re.compile(r"[a-z_]{1,40}")
_BEFORE_LIST = re.compile(r"[^\[\](){}0-9\n]{0,300}")
_CUT_TAG = re.compile(r"([a-z_]{0,40}) ?(?:\[[0-9, \[]*)?")
_TABLE_GOES_ON = ("</td", "<td", "</th", "<th", "</tr", "<tr", "</table")


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A tag and the text after it, up to the next tag."""

    label: str | None  # as written, stripped; None for text outside any tag
    boxes: tuple[Box, ...]
    body: str
    tag_origin: Origin  # of length zero if there is no tag
    body_origin: Origin  # longer than the body if markers were taken out of it


def looks_like_label(label: str) -> bool:
    """Whether a text may be a label: a known label, or a few plain words."""
    return label in LABELS or may_be_label(label)


def scan(text: str, *, recorded: bool = True) -> tuple[list[TaggedText], int, int]:
    """Cuts model text into tags and the texts after them.

    Args:
        text: The model's text.
        recorded: As for :func:`find_noise`.

    Returns:
        The pieces, the number of broken tags, and that of unreadable box lists.
    """
    scanner = _TagScanner(text, find_noise(text, recorded=recorded))
    scanner.run()
    return scanner.pieces, scanner.broken, scanner.unreadable


class _TagScanner:
    """Collects the parts of one piece until the next begins.

    ``parts`` is None before the first piece and after noise. The parameter ``at`` of a method is
    the offset of the method's text.
    """

    def __init__(self, text: str, noise: list[tuple[int, int]]) -> None:
        self.source = text
        self.pieces: list[TaggedText] = []
        self.broken = 0
        self.unreadable = 0
        self.label: str | None = None
        self.tag_boxes: tuple[Box, ...] = ()
        self.start = self.body_start = 0
        self.parts: list[str] | None = None
        self.open_table = False
        marks = [(m.start(), m.end(), m[1]) for m in _MARKER.finditer(text)]
        for start, label_end, end in bracket_tags(text, noise):
            # A dropped marker counts as one of length zero.
            marks += [(start, start, "ref"), (label_end, label_end, "/ref")]
            marks += [(label_end, label_end, "det"), (end, end, "/det")]
        if noise:
            marks = _outside_noise(marks, noise) + [(start, end, "noise") for start, end in noise]
            marks.sort()
        self.kinds = [kind for _, _, kind in marks]
        self.kinds.append("end")
        self.ends = [end for _, end, _ in marks]
        self.starts = [start for start, _, _ in marks]
        self.starts.append(len(text))

    def run(self) -> None:
        self.add_untagged(self.source[: self.starts[0]], 0)
        kinds = self.kinds
        last = len(kinds) - 1
        i = 0
        while i < last:
            kind = kinds[i]
            if kind == "ref":
                i = self.read_ref(i)
            elif kind == "det":
                i = self.read_det(i)
            elif kind == "noise":
                # The output of a runtime ends the piece before it.
                self.finish(self.starts[i])
                self.add_untagged(self.segment(i), self.ends[i])
                i += 1
            else:
                self.broken += 1
                self.add_after_stray_marker(self.segment(i), self.ends[i])
                i += 1
        self.finish(len(self.source))

    def segment(self, i: int) -> str:
        """Returns the text between a marker and the next one."""
        return self.source[self.ends[i] : self.starts[i + 1]]

    def begin(
        self, label: str | None, boxes: tuple[Box, ...], start: int, at: int, *texts: str
    ) -> None:
        """Opens a piece whose tag starts at ``start`` and whose texts start at ``at``."""
        self.finish(start)
        self.label = None if label is None else label.strip()
        self.tag_boxes = boxes
        self.start, self.body_start = start, at
        self.parts = []
        for text in texts:
            self.append(text, at)

    def finish(self, end: int) -> None:
        """Closes the open piece, if any, at ``end``."""
        if self.parts is not None:
            tag, body = (self.start, self.body_start), (self.body_start, end)
            text = "".join(self.parts)
            self.pieces.append(TaggedText(self.label, self.tag_boxes, text, tag, body))
        self.parts = None
        self.open_table = False

    def append(self, text: str, at: int) -> None:
        """Adds text to the open piece; without one, opens an untagged piece."""
        if self.parts is None:
            self.add_untagged(text, at)
        elif text:
            self.parts.append(text)
            opened = text.rfind("<table")
            if opened >= 0 or "</table" in text:
                self.open_table = opened > text.rfind("</table")

    def add_untagged(self, text: str, at: int) -> None:
        """Adds text that belongs to no tag, or to a tag that cannot be recovered."""
        if text.strip():
            if self.parts is None or self.label is not None:
                self.begin(None, (), at, at, text)
            else:
                self.append(" ", at)
                self.append(text, at)

    def add_after_stray_marker(self, text: str, at: int) -> None:
        """Adds text after a stray marker to the piece around the marker."""
        if text:
            if self.parts is not None:
                self.append(" ", at)
            self.append(text, at)

    def read_ref(self, i: int) -> int:
        """Reads a tag from its ``<|ref|>`` on; returns the index of the next marker to read."""
        label = self.segment(i)
        following = self.kinds[i + 1]
        if following in ("/ref", "det") and _is_short_line(label):
            if following == "/ref":
                return self.read_closed_ref(label, i + 1, self.starts[i])
            if looks_like_label(label.strip()):
                self.broken += 1
                return self.read_location(label, i + 1, self.starts[i])
        self.broken += 1
        known, rest = _known_label(label)
        numbers, rest = list_at_head(rest) if known else ("", rest)
        at = self.starts[i + 1] - len(rest)
        if self.open_table and rest.lstrip().startswith(_TABLE_GOES_ON):
            self.append(rest, at)
        elif known:
            self.begin(known, self.parse_boxes(numbers), self.starts[i], at, rest)
        else:
            self.add_untagged(rest, at)
        return i + 1

    def read_closed_ref(self, label: str, i: int, start: int) -> int:
        """Reads a tag from its ``<|/ref|>`` on; a box list should follow."""
        extra: list[str] = []
        at = self.ends[i]
        while True:
            gap = self.segment(i)
            following = self.kinds[i + 1]
            numbers, rest = list_at_head(gap)
            if numbers and not rest.strip() and following in ("det", "/ref"):
                self.broken += 1
                gap = ""
            blank = not gap.strip()
            short = len(gap) <= MAX_JUNK and "\n" not in gap
            if following == "det" and (blank or short):
                self.broken += not blank or bool(extra)
                return self.read_location(
                    label, i + 1, start, extra if blank else [*extra, gap, " "], at
                )
            if following == "/ref" and short:
                extra += [gap, " "]
                i += 1
                continue
            self.broken += 1
            if following == "/det" and (odd := odd_list(gap)):
                numbers, rest = odd, ""
            if following == "/det" and not rest.strip():
                i += 1
                rest = self.segment(i)
            if not extra:
                at = self.starts[i + 1] - len(rest)
            self.begin(label, self.parse_boxes(numbers), start, at, *extra, rest)
            return i + 1

    def read_location(
        self, label: str, i: int, start: int, extra: Sequence[str] = (), extra_at: int = 0
    ) -> int:
        """Reads a tag from its ``<|det|>`` on; ``extra`` is the text before that marker."""
        written = self.segment(i)
        if self.kinds[i + 1] == "/det":
            before, numbers, after = box_list(written)
            second, body = _second_list(self.segment(i + 1))
            self.broken += bool(before or after or second)
            texts = [f"{text} " for text in (before, after) if text]
            at = extra_at if extra else self.ends[i] if texts else self.starts[i + 2] - len(body)
            boxes = self.parse_boxes(numbers) or read_boxes(second)[0]
            self.begin(label, boxes, start, at, *extra, *texts, body)
            return i + 2
        self.broken += 1
        numbers, rest = open_list(written)
        at = extra_at if extra else self.starts[i + 1] - len(rest)
        self.begin(label, self.parse_boxes(numbers) if numbers else (), start, at, *extra, rest)
        return i + 1

    def read_det(self, i: int) -> int:
        """Reads a tag of Unlimited-OCR, or a box list whose label is missing."""
        written = self.segment(i)
        closed = self.kinds[i + 1] == "/det"
        if self.kinds[i + 1] in ("end", "noise") and _is_cut_tag(written.rstrip()):
            self.broken += 1
            return i + 1
        label, numbers, rest = _labelled_list(written, closed=closed)
        at = self.starts[i + 1] - len(rest)
        if closed and not numbers:
            label, numbers, rest = box_list(written)
        if closed:
            at = self.ends[i] if rest else self.ends[i + 1]
        boxes = self.parse_boxes(numbers) if numbers else ()
        known = label in LABELS or (closed and looks_like_label(label))
        self.broken += not (closed and known and not rest)
        body = self.segment(i + 1) if closed else ""
        if numbers and (known or (boxes and not label)):
            texts = (rest, " ", body) if rest and body else (rest or body,)
            self.begin(label, boxes, self.starts[i], at, *texts)
        else:
            self.add_after_stray_marker(f"{label} {rest}" if numbers else written, self.ends[i])
            self.add_after_stray_marker(body, self.ends[i])
        return i + 1 + closed

    def parse_boxes(self, written: str) -> tuple[Box, ...]:
        boxes, readable = read_boxes(written)
        self.unreadable += not readable
        return boxes


def _outside_noise(
    marks: list[tuple[int, int, str]], noise: list[tuple[int, int]]
) -> list[tuple[int, int, str]]:
    bounds = [*noise, (sys.maxsize, sys.maxsize)]
    ends = [end for _, end in bounds]
    return [mark for mark in marks if mark[1] <= bounds[bisect_right(ends, mark[0])][0]]


def _is_short_line(text: str) -> bool:
    return len(text) <= MAX_LABEL and "\n" not in text.strip()


def _is_cut_tag(text: str) -> bool:
    """Whether the last text is a tag that was cut off after its ``<|det|>``."""
    match = _CUT_TAG.fullmatch(text)
    return match is not None and any(label.startswith(match[1]) for label in LABELS)


def _known_label(text: str) -> tuple[str, str]:
    """Cuts off the known label after an unclosed ``<|ref|>``, or "", and returns both parts."""
    word = _WORD.match(text)
    if word is None or word[0] not in LABELS:
        return "", text
    rest = text[word.end() :]
    if list_at_head(rest)[0] or rest.lstrip(" \t")[:1] in ("", "\n", "<", "\\", "["):
        return word[0], rest
    return "", text


def _second_list(body: str) -> tuple[str, str]:
    """Cuts off a stray box list directly after a whole tag, and returns both parts.

    The model writes a block's text on the next line, so a list on the same line belongs to the tag.
    On the next line it must be a list that can be nothing else.
    """
    written, rest = list_at_head(body)
    if not written and body.startswith("\n"):
        line, newline, after = body[1:].partition("\n")
        if is_broken_list(line.strip()):
            return line.strip(), newline + after
    return written, rest


def _labelled_list(text: str, *, closed: bool) -> tuple[str, str, str]:
    """Cuts the text after a ``<|det|>`` into label, box list and rest; the list may be empty."""
    word = _WORD.match(text)
    if word and word[0] in LABELS:
        line, newline, rest = text[word.end() :].partition("\n")
        if odd := odd_list(line, closed=closed):
            return word[0], odd, newline + rest
    label = _BEFORE_LIST.match(text)
    end = label.end() if label else 0
    numbers, rest = open_list(text[end:])
    return text[:end].strip(), numbers, rest
