"""Groups lines into blocks: headings, paragraphs, lists, captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ....document.types import Block
from ....text.line_ends import SOFT_HYPHENS
from .code import code_block, is_code
from .columns import Region
from .joining import is_rtl, join_lines
from .lines import Line
from .pieces import LayoutPiece, union_box

__all__ = ["BodyStyle", "build_blocks", "page_style"]

TITLE_RATIO = 1.6
HEADING_RATIO = 1.15
"""Smallest ratios of a title's and a heading's size to the body text's."""

LOOSE_HEADING_RATIO = 1.4
"""The same for headings if sizes are measured on a picture, with an error of about 15 %."""

HEADING_LENGTH = 160
"""Most characters of a heading."""

FEWEST_CELLS = 2
"""If all words of a page have over this many times the characters that are outside its tables, the
tables are its body."""

SHORT_LINE = 60
"""Most characters of a line that may be a heading between tables."""

_BULLETS = "•●○◦▪■□▫‣⁃∙·❖➢➤✓✔\uf0b7\uf0a7\uf0d8\uf076\uf0fc"
_BULLET = re.compile(rf"[{_BULLETS}]\s?")
_ITEM = re.compile(
    rf"(?:[{_BULLETS}](?=\s|\w)|[-–—*](?=\s)|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivxIVX]{{1,5}})[.)](?=\s)"
    r"|\d{1,2}(?:\.\d{1,2}){1,4}\.?(?=\s))"
)
_CAPTION = re.compile(
    r"(figure|fig\.|figura|abbildung|abb\.|table|tab\.|tabelle|tableau|tabla|图|圖|図|表)"
    r"\s{0,2}[0-9A-Z]{1,3}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}\.?\s[^\W\d_]")
_LEADER = re.compile(r"\.{4,200}|(?:\. ){3,200}\.")
_TABLE_WORD = re.compile(r"tab|表", re.IGNORECASE)
_SENTENCE_END = ".!?:;,。！？：；"


@dataclass(frozen=True, slots=True)
class BodyStyle:
    """The look of a page's body text."""

    size: float  # of its font
    bold: bool
    loose: bool  # whether sizes are measured on a picture
    vocabulary: frozenset[str]  # case-folded words of the page
    typed: bool = False  # whether most characters are of a monospaced font


def page_style(
    regions: Iterable[Region], *, loose: bool, whole: Sequence[LayoutPiece] = ()
) -> BodyStyle:
    """Find the style of most characters of the page.

    Args:
        regions: The page's lines.
        loose: Whether sizes are measured on a picture.
        whole: All words of the page. Where it has nothing but tables and short lines, the body is
            what is in the tables.
    """
    regions = tuple(regions)
    sizes: Counter[float] = Counter()
    bold = typed = 0
    words: set[str] = set()
    heights: list[float] = []
    for region in regions:
        for line in region.lines:
            if line.is_block:
                continue
            count = sum(len(p.text) for p in line.pieces)
            sizes[round(line.size * 2) / 2] += count
            heights.append(line.size)
            bold += count if line.bold else -count
            typed += count if line.monospaced else -count
            words.update(p.text.strip(".,;:()").casefold() for p in line.pieces[:-1])
    free = [line for region in regions for line in region.lines if not line.is_block]
    characters = sum(len(piece.text) for piece in whole)
    if free and characters > FEWEST_CELLS * sum(sizes.values()) and all(map(_is_short, free)):
        sizes = Counter()
        bold = 0
        for word in (piece.word for piece in whole if piece.word is not None):
            sizes[round(word.size * 2) / 2] += len(word.text)
            bold += len(word.text) if word.bold else -len(word.text)
    size = sizes.most_common(1)[0][0] if sizes else 1.0
    if loose and heights:
        size = median(heights)
    return BodyStyle(size or 1.0, bold > 0, loose, frozenset(words), typed > 0)


def _is_short(line: Line) -> bool:
    return len(line.text) <= SHORT_LINE and line.text[-1] not in _SENTENCE_END


def build_blocks(regions: Sequence[Region], style: BodyStyle) -> list[Block]:
    """Make the blocks of a page in reading order: headings, texts, code, tables, images, captions.

    A paragraph that continues in the next column has two boxes.
    """
    blocks: list[Block] = []
    for region in regions:
        first = True
        for group in _groups(region, style):
            is_listing = all(line.monospaced for line in group)
            if is_listing and is_code(group, typed_page=style.typed):
                blocks.append(code_block(group))
                first = False
                continue
            block = _block(group, region, style)
            if first and blocks and _continues(blocks[-1], block):
                last = blocks[-1]
                text = join_lines([last.text, block.text], style.vocabulary)
                blocks[-1] = Block("text", text, (*last.boxes, *block.boxes))
            else:
                blocks.append(block)
            first = False
    return _with_captions(blocks)


def _groups(region: Region, style: BodyStyle) -> list[list[Line]]:
    """Group the lines of a region by block."""
    groups: list[list[Line]] = []
    pitch = _usual_pitch(region.lines)
    for line in region.lines:
        if groups and _belongs(groups[-1], line, region, style, pitch):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _usual_pitch(lines: Sequence[Line]) -> float:
    """Measure the distance between neighbouring baselines within paragraphs."""
    steps = sorted(
        b.y1 - a.y1
        for a, b in pairwise(lines)
        if not (a.is_block or b.is_block) and 0 < b.y1 - a.y1 < 3 * max(a.height, b.height)
    )
    # Below the median, as gaps between paragraphs only make steps longer.
    return steps[len(steps) * 2 // 5] if steps else 0.0


def _belongs(
    group: Sequence[Line], line: Line, region: Region, style: BodyStyle, pitch: float
) -> bool:
    above = group[-1]
    if line.is_block or above.is_block or line.monospaced != above.monospaced:
        return False
    if line.monospaced and not style.typed:
        # A listing may contain empty lines.
        return line.y1 - above.y1 < 2.5 * max(pitch, line.height)
    if abs(line.size - above.size) > (0.3 if style.loose else 0.12) * max(line.size, above.size):
        return False
    step = line.y1 - above.y1
    limit = min(1.35 * pitch, 2.2 * line.height) if pitch else 1.8 * line.height
    limit = max(limit, 1.25 * line.height)
    if step > limit:
        return False
    level, level_above = _heading_level(line, style), _heading_level(above, style)
    if level != level_above:
        return False
    if level and _ITEM.match(line.text):
        return False
    return not _starts_paragraph(group, line, region)


def _starts_paragraph(group: Sequence[Line], line: Line, region: Region) -> bool:
    """Return whether a line starts a paragraph: it is indented, or the line above ended early."""
    if _ITEM.match(line.text) or any(_ITEM.match(item.text) for item in group[-12:]):
        # An item, its second line and the next item stay together.
        return False
    if line.text[0].islower():
        # It may be the second line of an item with a hanging indent.
        return False
    above = group[-1]
    indent = line.x0 - above.x0
    if is_rtl(line.text):
        indent = above.x1 - line.x1
    full = region.x1 - region.x0
    flush = abs(above.x0 - min(g.x0 for g in group)) < 0.5 * line.height
    if len(group) > 1 and flush and 0.8 * line.height < indent < 5 * line.height:
        return True
    return region.x1 - above.x1 > 0.35 * full and above.text[-1] in ".!?。" and len(group) > 1


def _heading_level(line: Line, style: BodyStyle) -> int:
    """Return the level of a heading; 0 if the line does not stand out."""
    text = line.text
    if len(text) > HEADING_LENGTH or not any(c.isalpha() for c in text):
        return 0
    ratio = line.size / style.size
    if ratio >= TITLE_RATIO:
        return 1
    if ratio >= (LOOSE_HEADING_RATIO if style.loose else HEADING_RATIO):
        return 2
    stands_out = line.bold and not style.bold and ratio > 0.9
    return 3 if stands_out and text[-1] not in ".,;" else 0


def _block(group: Sequence[Line], region: Region, style: BodyStyle) -> Block:
    if group[0].is_block:
        made = group[0].pieces[0].block
        if made is not None:
            return made
    box = union_box(p for line in group for p in line.pieces)
    level = _heading_level(group[0], style)
    texts = [line.text for line in group]
    if level and len(group) <= 4 and sum(map(len, texts)) <= HEADING_LENGTH:
        kind = "title" if level == 1 else "sub_title"
        return Block(kind, "#" * level + " " + join_lines(texts, style.vocabulary), (box,))
    if len(group) == 1 and _is_numbered_heading(group[0], region):
        return Block("sub_title", f"### {texts[0]}", (box,))
    return Block("text", _body(group, region, style), (box,))


def _is_numbered_heading(line: Line, region: Region) -> bool:
    """Return whether a line is a short heading such as "5.1 Results", even if it is not bold."""
    text = line.text
    return (
        _NUMBERED.match(text) is not None
        and text[-1].isalpha()
        and line.x1 - line.x0 < 0.7 * (region.x1 - region.x0)
        and next(c for c in text if c.isalpha()).isupper()
    )


def _body(group: Sequence[Line], region: Region, style: BodyStyle) -> str:
    """Join a paragraph's lines; items of a list and short lines (an address) stay apart."""
    parts: list[list[str]] = []
    for i, line in enumerate(group):
        above = group[max(0, i - 1)]
        starts = i == 0 or _ITEM.match(line.text) or _is_row(above) or _is_row(line)
        if starts or _was_short(above, line, region):
            parts.append([line.text])
        else:
            parts[-1].append(line.text)
    lines = [join_lines(part, style.vocabulary) for part in parts]
    return "\n".join(_BULLET.sub("- ", t, count=1) if t[0] in _BULLETS else t for t in lines)


def _is_row(line: Line) -> bool:
    """Return whether a line has gaps as between cells, or a dot leader to a page number."""
    ordered = sorted(line.pieces, key=lambda p: p.x0)
    gaps = (right.x0 - left.x1 for left, right in pairwise(ordered))
    return any(gap > 2 * line.height for gap in gaps) or _LEADER.search(line.text) is not None


def _was_short(above: Line, line: Line, region: Region) -> bool:
    """Return whether the line's first word would have fit above, so that the break is intended."""
    if above.text[-1] in "-\u2010" + SOFT_HYPHENS:
        return False
    first = line.pieces[0].width + 0.4 * line.height
    if is_rtl(above.text):
        return above.x0 - region.x0 > first + 0.12 * (region.x1 - region.x0)
    room = region.x1 - above.x1
    if line.text[0].islower():
        return False
    # Ragged margins leave some room too.
    return room > first + 0.12 * (region.x1 - region.x0)


def _continues(last: Block, block: Block) -> bool:
    """Return whether a block continues the paragraph at the end of the column before it."""
    if last.kind != "text" or block.kind != "text" or not (last.text and block.text):
        return False
    end, start = last.text.rstrip()[-1], block.text[0]
    return start.islower() and end not in _SENTENCE_END and not _ITEM.match(block.text)


def _with_captions(blocks: Sequence[Block]) -> list[Block]:
    """Turn text that begins like a caption, and is next to a figure or table, into its caption."""
    result = list(blocks)
    for i, block in enumerate(blocks):
        if block.kind not in ("text", "sub_title") or len(block.text) > 4 * HEADING_LENGTH:
            continue
        match = _CAPTION.match(block.text.lstrip("# "))
        if match is None:
            continue
        wanted = "table" if _TABLE_WORD.match(match[1]) else "image"
        near = [blocks[k].kind for k in (i - 1, i + 1) if 0 <= k < len(blocks)]
        if wanted in near:
            result[i] = Block(f"{wanted}_caption", block.text.lstrip("# "), block.boxes)
    return result
