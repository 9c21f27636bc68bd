r"""The model's layout tags, found in one linear pass, however broken.

A tag is ``<|ref|>label<|/ref|><|det|>[[x0, y0, x1, y1], ...]<|/det|>``
(DeepSeek-OCR and DeepSeek-OCR-2) or ``<|det|>label [x0, y0, x1, y1]<|/det|>``
(Unlimited-OCR). The text is cut at the four markers; then each marker and the
segments between decide what is label, place and body. Of a broken tag only the
markers, a known label and a list of plain coordinates are markup; whatever else
stands there is text and stays with its block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Box
from .runtime_noise import find_noise

__all__ = ["LABELS", "MARKER_LENGTH", "Origin", "TaggedText", "looks_like_label", "scan"]

Origin = tuple[int, int]
"""Where something stands in the model's text: ``(start, end)`` in characters."""

MARKER_LENGTH = len("<|ref|>")
"""Characters of the marker that begins a tag; ``<|det|>`` has as many."""

_NAMES = """
    text title sub_title table table_caption table_footnote table_title image image_caption
    image_footnote figure figure_title figure_caption chart chart_title equation equation_number
    formula formula_number list list_item code code_caption algorithm header footer page_number
    page_header page_footer page_footnote reference references footnote caption abstract author
    aside_text seal stamp signature logo toc
"""
LABELS = frozenset(_NAMES.split())
"""Labels that were seen or are documented for this family of models. Others are
kept too; this list decides only what a broken tag's first word is."""

MAX_LABEL = 300
"""Characters of the longest label: real lines ("OCR this image") reach 40."""

MAX_JUNK = 16
"""Characters other than coordinates that a box list may hold ("clef", one Chinese
word); a list with more of them is text."""

_MARKER = re.compile(r"<\|(/?(?:ref|det))\|>")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_JUNK = re.compile(r"[^0-9\[\](),.:;\s-]")
_OPEN_LIST = re.compile(r"[ \t]*(\[[0-9\[\],. \t-]*)")
_LABEL = re.compile(r"\w[\w -]{0,39}")
_WORD = re.compile(r"[a-z_]{1,40}")
_CUT_TAG = re.compile(r"([a-z_]{0,40}) ?(?:\[[0-9, \[]*)?")
_TABLE_GOES_ON = ("</td", "<td", "</th", "<th", "</tr", "<tr", "</table")


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A tag and what follows it, up to the next one.

    Attributes:
        label: As written, ends stripped; None for text outside of any tag.
        boxes: The places it names.
        body: The raw text.
        tag_origin: Where the tag stands; of length zero where there is none.
        body_origin: Where the body stands. Exactly as long as the body, or
            longer where markers were taken out of it.
    """

    label: str | None
    boxes: tuple[Box, ...]
    body: str
    tag_origin: Origin
    body_origin: Origin


def looks_like_label(label: str) -> bool:
    """Whether an unknown label may be one: a few plain words, not a sentence of the page."""
    return label in LABELS or _LABEL.fullmatch(label) is not None


def scan(text: str) -> tuple[list[TaggedText], int, int]:
    """Cuts a page into tags and their bodies.

    Args:
        text: One page of model text, lines ended by newlines.

    Returns:
        The pieces in their order, how many tags were broken, and how many box
        lists could not be read.
    """
    scanner = _Scanner(text)
    scanner.run()
    return scanner.pieces, scanner.broken, scanner.unreadable


def read_boxes(text: str) -> tuple[tuple[Box, ...], bool]:
    """The boxes of a list like ``[[1, 2, 3, 4], [5, 6, 7, 8]]``, however dirty.

    Returns:
        The boxes, and whether the list could be read: it holds a multiple of
        four numbers, or is ``[]``, or is missing.
    """
    # Longer numbers are clamped to the page anyway; float() must stay cheap.
    values = [float(digits[:12]) for digits in _NUMBER.findall(text)]
    if not values or len(values) % 4:
        return (), text in ("[]", "")
    return tuple(Box.from_grid(*values[i : i + 4]) for i in range(0, len(values), 4)), True


class _Scanner:
    """Collects the parts of one piece until the next begins.

    ``parts`` is None before the first piece and after noise; ``open_table`` says
    whether the last ``<table`` of the piece has not been closed. ``start`` and
    ``body_start`` are offsets of the piece's tag and body; everywhere ``at`` is
    the offset of the text that it stands beside.
    """

    def __init__(self, text: str) -> None:
        self.source = text
        self.pieces: list[TaggedText] = []
        self.broken = 0
        self.unreadable = 0
        self.label: str | None = None
        self.places: tuple[Box, ...] = ()
        self.start = self.body_start = 0
        self.parts: list[str] | None = None
        self.open_table = False
        marks = [(m.start(), m.end(), m[1]) for m in _MARKER.finditer(text)]
        noise = find_noise(text)
        if noise:
            marks = _outside(marks, noise) + [(start, end, "noise") for start, end in noise]
            marks.sort()
        self.kinds = [kind for _, _, kind in marks]
        self.kinds.append("end")
        self.ends = [end for _, end, _ in marks]
        self.starts = [start for start, _, _ in marks]
        self.starts.append(len(text))

    def run(self) -> None:
        self.loose(self.source[: self.starts[0]], 0)
        kinds = self.kinds
        last = len(kinds) - 1
        i = 0
        while i < last:
            kind = kinds[i]
            if kind == "ref":
                i = self.ref(i)
            elif kind == "det":
                i = self.det(i)
            elif kind == "noise":
                # A runtime's output ends the generation before it.
                self.finish(self.starts[i])
                self.loose(self.segment(i), self.ends[i])
                i += 1
            else:
                self.broken += 1
                self.go_on(self.segment(i), self.ends[i])
                i += 1
        self.finish(len(self.source))

    def segment(self, i: int) -> str:
        """The text between a marker and the next one."""
        return self.source[self.ends[i] : self.starts[i + 1]]

    def begin(
        self, label: str | None, boxes: tuple[Box, ...], start: int, at: int, *texts: str
    ) -> None:
        """Opens a piece: its tag starts at ``start``, its texts at ``at``."""
        self.finish(start)
        self.label = None if label is None else label.strip()
        self.places = boxes
        self.start, self.body_start = start, at
        self.parts = []
        for text in texts:
            self.append(text, at)

    def finish(self, end: int) -> None:
        """Closes the piece that is open, if any; what follows it starts at ``end``."""
        if self.parts is not None:
            tag, body = (self.start, self.body_start), (self.body_start, end)
            text = "".join(self.parts)
            self.pieces.append(TaggedText(self.label, self.places, text, tag, body))
        self.parts = None
        self.open_table = False

    def append(self, text: str, at: int) -> None:
        """Adds to the piece that is open; opens one outside of any tag where none is."""
        if self.parts is None:
            self.loose(text, at)
        elif text:
            self.parts.append(text)
            opened = text.rfind("<table")
            if opened >= 0 or "</table" in text:
                self.open_table = opened > text.rfind("</table")

    def loose(self, text: str, at: int) -> None:
        """Text outside of any tag, or of one that cannot be told."""
        if text and not text.isspace():
            if self.parts is None or self.label is not None:
                self.begin(None, (), at, at, text)
            else:
                self.append(" ", at)
                self.append(text, at)

    def go_on(self, text: str, at: int) -> None:
        """Text behind a stray marker belongs to the block around it."""
        if text:
            if self.parts is not None:
                self.append(" ", at)
            self.append(text, at)

    def ref(self, i: int) -> int:
        """Reads a tag from its ``<|ref|>``; returns the marker to go on with."""
        label = self.segment(i)
        following = self.kinds[i + 1]
        if following in ("/ref", "det") and _is_short_line(label):
            if following == "/ref":
                return self.closed_ref(label, i + 1, self.starts[i])
            if looks_like_label(label.strip()):
                self.broken += 1
                return self.place(label, i + 1, self.starts[i])
        self.broken += 1
        known, rest = _known_label(label)
        at = self.starts[i + 1] - len(rest)
        if self.open_table and rest.lstrip().startswith(_TABLE_GOES_ON):
            self.append(rest, at)
        elif known:
            self.begin(known, (), self.starts[i], at, rest)
        else:
            self.loose(rest, at)
        return i + 1

    def closed_ref(self, label: str, i: int, start: int) -> int:
        """Reads on from ``<|/ref|>``: a place should follow, at times after a stray word."""
        extra: list[str] = []
        at = self.ends[i]
        while True:
            gap = self.segment(i)
            following = self.kinds[i + 1]
            blank = not gap or gap.isspace()
            short = len(gap) <= MAX_JUNK and "\n" not in gap
            if following == "det" and (blank or short):
                self.broken += not blank or bool(extra)
                return self.place(label, i + 1, start, extra if blank else [*extra, gap, " "], at)
            if following == "/ref" and short:
                extra += [gap, " "]
                i += 1
                continue
            self.broken += 1
            if following == "/det" and blank:
                i += 1
                gap = self.segment(i)
            self.begin(label, (), start, at if extra else self.ends[i], *extra, gap)
            return i + 1

    def place(
        self, label: str, i: int, start: int, extra: Sequence[str] = (), extra_at: int = 0
    ) -> int:
        """Reads on from ``<|det|>``; ``extra`` is text that stood before it."""
        written = self.segment(i)
        if self.kinds[i + 1] == "/det":
            before, numbers, after = _box_list(written)
            self.broken += bool(before or after)
            texts = [f"{text} " for text in (before, after) if text]
            at = extra_at if extra else self.ends[i] if texts else self.ends[i + 1]
            boxes = self.boxes(numbers)
            self.begin(label, boxes, start, at, *extra, *texts, self.segment(i + 1))
            return i + 2
        self.broken += 1
        numbers, rest = _open_list(written)
        at = extra_at if extra else self.starts[i + 1] - len(rest)
        self.begin(label, self.boxes(numbers) if numbers else (), start, at, *extra, rest)
        return i + 1

    def det(self, i: int) -> int:
        """Reads Unlimited-OCR's tag, or a place whose label is missing."""
        written = self.segment(i)
        closed = self.kinds[i + 1] == "/det"
        if self.kinds[i + 1] in ("end", "noise") and _is_cut_tag(written.rstrip()):
            self.broken += 1
            return i + 1
        if closed:
            label, numbers, rest = _box_list(written)
            at = self.ends[i] if rest else self.ends[i + 1]
        else:
            label, bracket, rest = written.partition("[")
            label = label.strip()
            numbers, rest = _open_list(bracket + rest)
            at = self.starts[i + 1] - len(rest)
        boxes = self.boxes(numbers) if numbers else ()
        known = label in LABELS or (closed and looks_like_label(label))
        self.broken += not (closed and known and not rest)
        body = self.segment(i + 1) if closed else ""
        if numbers and (known or (boxes and not label)):
            texts = (rest, " ", body) if rest and body else (rest or body,)
            self.begin(label, boxes, self.starts[i], at, *texts)
        else:
            self.go_on(f"{label} {rest}" if numbers else written, self.ends[i])
            self.go_on(body, self.ends[i])
        return i + 1 + closed

    def boxes(self, written: str) -> tuple[Box, ...]:
        boxes, readable = read_boxes(written)
        self.unreadable += not readable
        return boxes


def _outside(
    marks: list[tuple[int, int, str]], noise: list[tuple[int, int]]
) -> list[tuple[int, int, str]]:
    kept = []
    remaining = iter(noise)
    span = next(remaining, None)
    for mark in marks:
        while span and span[1] <= mark[0]:
            span = next(remaining, None)
        if not span or mark[1] <= span[0]:
            kept.append(mark)
    return kept


def _is_short_line(text: str) -> bool:
    return len(text) <= MAX_LABEL and "\n" not in text.strip()


def _is_cut_tag(text: str) -> bool:
    """Whether the end of a generation is the beginning of a tag behind its ``<|det|>``."""
    match = _CUT_TAG.fullmatch(text)
    return match is not None and any(label.startswith(match[1]) for label in LABELS)


def _known_label(text: str) -> tuple[str, str]:
    """The known label that an unclosed ``<|ref|>`` is followed by, and the rest."""
    word = _WORD.match(text)
    if word is None or word[0] not in LABELS:
        return "", text
    rest = text[word.end() :]
    return (word[0], rest) if rest.lstrip(" \t")[:1] in ("", "\n", "<", "\\", "[") else ("", text)


def _box_list(text: str) -> tuple[str, str, str]:
    """Text before the box list of a closed ``<|det|>``, the list, and text behind it.

    A few characters that are no coordinates count as a part of the list where it
    has its double brackets or a multiple of four numbers; else all of it is text.
    """
    text = text.strip()
    first, last = text.find("["), text.rfind("]")
    if first < 0:
        return ("", text, "") if not _JUNK.search(text) else (text, "", "")
    if last < first:
        last = len(text)
    numbers = text[first : last + 1]
    junk = len(_JUNK.findall(numbers))
    whole = numbers.startswith("[[") and numbers.endswith("]]")
    if "\n" in numbers or junk > MAX_JUNK or (junk and not whole and not read_boxes(numbers)[0]):
        return text, "", ""
    return text[:first].rstrip(), numbers, text[last + 1 :].lstrip()


def _open_list(text: str) -> tuple[str, str]:
    """The coordinates at the head of an unclosed ``<|det|>``, and the rest.

    They are coordinates if they close with ``]]`` or fill their line, and have
    the double bracket or a multiple of four numbers; else all of it is text.
    """
    match = _OPEN_LIST.match(text)
    if match is None:
        return "", text
    written = match[1]
    end = match.end()
    if "]]" in written:
        cut = written.rindex("]]") + 2
        end -= len(written) - cut
        written = written[:cut]
    elif text[end : end + 1] not in ("", "\n"):
        return "", text
    if written.startswith("[[") or read_boxes(written)[0]:
        return written, text[end:]
    return "", text
