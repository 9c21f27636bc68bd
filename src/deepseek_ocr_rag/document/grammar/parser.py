r"""Parses model text into blocks, and writes blocks as model text.

:func:`parse_page` never fails, never evaluates anything, takes linear time and
loses no recognised text. It cuts at the tags (:mod:`.tags`), and leaves out the output
of runtimes in recordings (:mod:`.runtime_noise`). Its other rules are:

* Blocks are joined by an empty line; an empty block (a picture) has a span of
  length zero at the end of the text before it.
* A title or sub_title without ``#`` is given ``# `` or ``## ``.
* ``&lt; &gt; &amp; &quot; &nbsp;`` and decimal references are decoded once;
  trailing spaces and a ``<center>`` around a caption are removed. Everything else
  is kept as written: lists, equations, code, loops.
* HTML tables become blocks of kind table: a GitHub table, or clean HTML where
  cells span. Text before one keeps its label; text after one, or around one under
  a table tag, is a text block with the same boxes.
* If an empty table tag comes before a caption that holds the table's HTML, the table
  gets the table tag's boxes and the caption keeps its own; the upper one comes first.
* Text under an image tag is a text block with the picture's boxes.
* Text outside any tag has kind "". On a page without tags ("Free OCR") it is cut
  into paragraphs, headings, equations and tables, without boxes.
* Where most labels are unknown and have no text ("OCR this image"), every label is
  a line of text. Elsewhere an unknown label is text if it does not look like a
  label, or if no text follows it and it is not one lower-case word with a box.
* Whatever can be recovered from a broken tag is kept, with a warning; a tag without
  text and boxes gives no block. The remains of a box list are dropped in places where
  a list should be (:mod:`.box_lists`).

The origin of a block is the stretch of the model's text that it was made from, with
the white space around it; for a block without text, its tag. If markers interrupt
that stretch, the blocks of one tag share an origin.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...errors import ConfigurationError
from ...text.visible import storable
from ..captions import CAPTION_KINDS, FIGURE_KINDS
from ..headings import HEADING_KINDS, Headings, section_of, with_sections
from ..markdown import cut_tables, heading_level, markdown_parts
from ..tables import parse_table
from ..types import Block, Box, OcrDocument, Page
from .labels import LABELS
from .runtime_noise import encode_noise, split_pages
from .tags import MARKER_LENGTH, Origin, TaggedText, looks_like_label, scan

__all__ = ["ParsedPage", "clean", "format_page", "parse_document", "parse_page"]

_TABLE_CAPTIONS = frozenset(kind for kind, owner in CAPTION_KINDS.items() if owner != "figure")
_IDENTIFIER = re.compile(r"[a-z]+(?:_[a-z]+)*")

_NAMED = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&nbsp;": " "}
_TABLE = re.compile("<table", re.IGNORECASE)
_CELL = re.compile("<t[rdh][^a-z]", re.IGNORECASE)

WITHOUT_CELLS = (
    "table(s) came without the marks of their cells, so their text is left out: the server hides"
    " these marks. Start llama-server with --special; for Ollama, run `dsocr ollama-model`"
)
"""The warning of a page about tables whose cells cannot be told apart."""
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|nbsp|#[0-9]{1,7});")


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """One parsed page of model text.

    Attributes:
        markdown: The whole page.
        blocks: Blocks in reading order; ``markdown[b.span[0]:b.span[1]] == b.text``,
            spans ascending and disjoint.
        warnings: What had to be guessed, as sentences for the user.
        origins: The origin of each block in the model's text; see :mod:`.parser`.
    """

    markdown: str
    blocks: tuple[Block, ...]
    warnings: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "markdown", storable(self.markdown))


def parse_page(text: str, *, recorded: bool = True) -> ParsedPage:
    r"""Parses one page of model text by the rules of this module.

    Args:
        text: The model's text, or a captured output that contains it. Cut several
            pages with :func:`split_pages` first.
        recorded: Whether it is a stored output, from which the lines that runtimes print are
            left out. False if a model or server just wrote it: then all of it is the page's.

    Returns:
        Markdown, blocks with their sections within the page, origins, and warnings.

    Example:
        >>> page = parse_page("<|ref|>title<|/ref|><|det|>[[0, 0, 999, 99]]<|/det|>\nA &amp; B")
        >>> page.markdown, page.blocks[0].kind
        ('# A & B', 'title')
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    pieces, broken, unreadable = scan(plain, recorded=recorded)
    tagged = [piece for piece in pieces if piece.label is not None]
    builder = _PageBuilder(marks_are_hidden="<|ref|>" not in plain and "<|det|>" not in plain)
    if not tagged:
        for piece in pieces:
            for kind, part, html, start, end in markdown_parts(piece.body):
                part = part if kind == "code" else clean(part)
                builder.add(kind, part, (), _part(piece.body, piece.body_origin, start, end), html)
    elif _labels_are_lines(tagged):
        _add_lines(builder, pieces, plain)
    else:
        _add_tagged(builder, pieces, plain)
    warnings = []
    if broken:
        warnings.append(f"{broken} broken tag{'s' * (broken > 1)}: the text was kept")
    if unreadable:
        warnings.append(f"{unreadable} box list{'s' * (unreadable > 1)} could not be read")
    if builder.without_cells:
        warnings.append(f"{builder.without_cells} {WITHOUT_CELLS}")
    return ParsedPage(
        "\n\n".join(builder.texts),
        tuple(builder.blocks),
        tuple(warnings),
        _in_raw_text(builder.origins, text),
    )


def _in_raw_text(origins: list[Origin], text: str) -> tuple[Origin, ...]:
    """Converts origins from the text with plain newlines to the text as given, with CRLF."""
    if "\r\n" not in text:
        return tuple(origins)
    returns = [match.start() - n for n, match in enumerate(re.finditer("\r\n", text))]
    return tuple(
        (start + bisect_left(returns, start), end + bisect_left(returns, end))
        for start, end in origins
    )


def _part(body: str, origin: Origin, start: int, end: int) -> Origin:
    """Returns the origin of part of a body; of the whole body if markers were taken out of it."""
    if len(body) != origin[1] - origin[0]:
        return origin
    return origin[0] + start, origin[0] + end


def parse_document(text: str, *, source: str = "") -> OcrDocument:
    """Parses a stored output of one or more pages.

    Args:
        text: The whole output, which is cut by :func:`split_pages`.
        source: A name for the document.

    Returns:
        The pages, numbered from 1, with sections carried from page to page.
    """
    pages = []
    headings: Headings = ()
    for number, part in enumerate(split_pages(text), 1):
        parsed = parse_page(part)
        blocks, headings = with_sections(parsed.blocks, headings)
        pages.append(Page(number, parsed.markdown, blocks, warnings=parsed.warnings))
    return OcrDocument(source, tuple(pages), total_pages=len(pages))


def format_page(blocks: Iterable[Block]) -> str:
    """Writes blocks as the model would, so that :func:`parse_page` reads them back.

    Kinds, texts, boxes (on the 0..999 grid) and table rows survive; spans and
    sections are recomputed. In texts, ``<`` becomes ``&lt;``, the ``&`` of anything
    that would be decoded becomes ``&amp;``, and one character of anything that looks
    like a runtime's output becomes ``&#n;``. A block without boxes gets the list
    ``[]``. Texts must have the form that the parser returns: no spaces at line ends,
    headings with ``#``, pictures without text.

    Args:
        blocks: Blocks in reading order; a table's ``html`` from ``Table.to_html()``.

    Returns:
        One page of model text.

    Raises:
        ConfigurationError: If a kind cannot be a label.
    """
    return "".join(map(_format_block, blocks))


def clean(text: str) -> str:
    """Removes ``<center>`` and trailing spaces from a text and decodes its entities."""
    text = text.strip()
    if text.startswith("<center>"):
        text = text.replace("<center>", " ").replace("</center>", " ")
        text = "\n".join([line.strip(" ") for line in text.split("\n")])
    if "&" in text:
        text = _ENTITY.sub(_decode, text)
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return text.strip()


def _decode(match: re.Match[str]) -> str:
    written = match[0]
    if written in _NAMED:
        return _NAMED[written]
    code = int(written[2:-1])
    is_character = 0 < code < 0xD800 or 0xDFFF < code < 0x110000
    return chr(code) if is_character else written


def _format_block(block: Block) -> str:
    kind = block.kind
    if kind and not looks_like_label(kind):
        raise ConfigurationError(
            f"{kind!r} cannot be the kind of a block",
            remedy="Use at most 40 letters, digits, spaces, hyphens and underscores.",
        )
    boxes = ", ".join(map(str, (list(box.to_grid()) for box in block.boxes)))
    if block.html is not None:
        body = block.html.replace("<|", "&lt;|").replace("<--- ", "&lt;--- ")
        body = body.replace("<PAGE>", "&lt;PAGE&gt;")
    else:
        # Without the encoded space, an unknown label would be taken for a line of text.
        body = _encode(block.text) or ("" if kind in LABELS else "&#32;")
    return f"<|ref|>{kind}<|/ref|><|det|>[{boxes}]<|/det|>\n{encode_noise(body)}\n\n"


def _encode(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda match: "&amp;" + match[0][1:], text)
    return text.replace("<", "&lt;")


def _labels_are_lines(tagged: list[TaggedText]) -> bool:
    lines = sum(
        piece.label not in LABELS and bool(piece.label) and not piece.body.strip()
        for piece in tagged
    )
    return 2 * lines > len(tagged)


def _add_lines(builder: _PageBuilder, pieces: list[TaggedText], text: str) -> None:
    for piece in pieces:
        if not piece.label or (piece.label in LABELS and piece.body.strip()):
            _add_body(builder, piece.label or "", piece)
        else:
            _add_body(builder, "text", _label_in_body(piece, text))


def _label_in_body(piece: TaggedText, text: str) -> TaggedText:
    """Moves a label that is text of the page to the head of the body."""
    label = piece.label or ""
    start = piece.tag_origin[0]
    if text.startswith("<|", start):
        start += MARKER_LENGTH
    start = text.index(label, start)
    end = piece.body_origin[1] if piece.body.strip() else start + len(label)
    return replace(piece, label="text", body=f"{label}\n{piece.body}", body_origin=(start, end))


def _label_is_text(piece: TaggedText) -> bool:
    label = piece.label or ""
    if label in LABELS:
        return False
    if piece.body.strip() and not _TABLE.search(piece.body):
        return not looks_like_label(label)
    return not (piece.boxes and _IDENTIFIER.fullmatch(label))


def _add_tagged(builder: _PageBuilder, pieces: list[TaggedText], text: str) -> None:
    empty_table: TaggedText | None = None
    for number, piece in enumerate(pieces):
        if piece.label and _label_is_text(piece):
            piece = _label_in_body(piece, text)
        follower = pieces[number + 1] if number + 1 < len(pieces) else None
        if (
            piece.label == "table"
            and follower is not None
            and follower.label in _TABLE_CAPTIONS
            and _TABLE.search(follower.body)
            and not piece.body.strip()
        ):
            empty_table = piece
        elif empty_table is not None:
            _add_captioned_table(builder, empty_table, piece)
            empty_table = None
        else:
            _add_body(builder, " ".join((piece.label or "").split()), piece)


def _add_body(builder: _PageBuilder, kind: str, piece: TaggedText) -> None:
    body, boxes, tag = piece.body, piece.boxes, piece.tag_origin
    if kind in FIGURE_KINDS and body.strip():
        builder.add(kind, "", boxes, tag)
        kind = "text"
    if not _TABLE.search(body):
        text = clean(body)
        builder.add(kind, text, boxes, piece.body_origin if text else tag)
        return
    if kind == "table":
        kind = "text"
    for part, html, start, end in cut_tables(body):
        origin = _part(body, piece.body_origin, start, end)
        if html is not None:
            builder.add("table", "", boxes, origin, html)
            kind = "text"
        elif text := clean(part):
            builder.add(kind, text, boxes, origin)


def _add_captioned_table(builder: _PageBuilder, table: TaggedText, caption: TaggedText) -> None:
    body, body_origin = caption.body, caption.body_origin
    found = _TABLE.search(body)
    start = found.start() if found else 0
    above = clean(body[:start])
    origin = _part(body, body_origin, 0, start) if above else caption.tag_origin
    below = bool(table.boxes and caption.boxes and caption.boxes[0].y0 >= table.boxes[0].y1 - 0.01)
    label = caption.label or ""
    if not below:
        builder.add(label, above, caption.boxes, origin)
    rest = _part(body, body_origin, start, len(body))
    _add_body(builder, "table", replace(table, body=body[start:], body_origin=rest))
    if below:
        builder.add(label, above, caption.boxes, origin)


class _PageBuilder:
    """Lays blocks out in the page's Markdown."""

    def __init__(self, *, marks_are_hidden: bool) -> None:
        self.marks_are_hidden = marks_are_hidden
        self.texts: list[str] = []
        self.blocks: list[Block] = []
        self.origins: list[Origin] = []
        self.length = 0
        self.headings: Headings = ()
        self.section: tuple[str, ...] = ()
        self.without_cells = 0

    def add(
        self, kind: str, text: str, boxes: tuple[Box, ...], origin: Origin, html: str | None = None
    ) -> None:
        if html is not None and self.marks_are_hidden and not _CELL.search(html):
            # The numbers of its cells would run together: no text is better than wrong text.
            self.without_cells += bool(parse_table(html).rows)
        elif html is not None:
            table = parse_table(html)
            text = table.to_html() if table.has_spans else table.to_markdown()
        if not text:
            if boxes or html is not None:
                span = (self.length, self.length)
                self.blocks.append(Block(kind, "", boxes, span, self.section, html))
                self.origins.append(origin)
            return
        level = HEADING_KINDS.get(kind, 0)
        if level and not heading_level(text.partition("\n")[0]):
            text = f"{'#' * level} {text}"
        start = self.length + 2 if self.texts else 0
        self.length = start + len(text)
        self.texts.append(text)
        section = self.section
        if level:
            section, self.headings = section_of(kind, text, self.headings)
            self.section = tuple(title for _, title in self.headings)
        self.blocks.append(Block(kind, text, boxes, (start, self.length), section, html))
        self.origins.append(origin)
