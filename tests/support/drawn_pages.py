"""Pages that the project draws itself, with what a model should write about them.

Small pages (a note, a receipt, a slide) with large print, because the small reader sees them in
512 x 512 pixels: titles, headings, paragraphs, two columns, tables. Words are common ones, made-up
ones (so that letters must be read, not words guessed) and figures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pypdfium2
from PIL import Image
from reportlab.pdfbase.pdfmetrics import stringWidth

WORDS = (Path(__file__).parent / "page_words.txt").read_text("utf-8").split()
FACE = ("Helvetica", "Helvetica-Bold")
"""Regular and bold print that the small reader knows. Every PDF reader has these fonts."""

VIEW = 512
"""Sides are counted in pixels of the model's view until they are drawn."""

ASCENT, DESCENT = 0.73, 0.21
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


@dataclass(frozen=True)
class Ink:
    """Text at a baseline, in points from the upper left corner."""

    x: float
    y: float
    text: str
    font: str
    size: float


@dataclass(frozen=True)
class DrawnBlock:
    label: str
    text: str  # as the model writes it
    box: tuple[float, float, float, float]  # fractions of the page
    inks: tuple[int, int]  # first and last (excluded) of the page's inks that write it


@dataclass(frozen=True)
class DrawnPage:
    width: float  # points
    height: float
    blocks: tuple[DrawnBlock, ...]
    inks: tuple[Ink, ...]
    lines: tuple[tuple[float, float, float, float], ...] = ()
    hollow: float = 0.0  # width of outlines, in points; 0 fills the letters
    slant: float = 0.0

    def answer(self) -> str:
        """What the model should write, boxes included."""
        return "\n\n".join(
            f"<|ref|>{block.label}<|/ref|><|det|>[[{', '.join(str(round(999 * side)) for side in block.box)}]]<|/det|>\n"
            + block.text
            for block in self.blocks
        )

    def places(self) -> list[tuple[str, float, float]]:
        """Every letter that is drawn, and where its middle is, as fractions of the page."""
        found = []
        for ink in self.inks:
            x = ink.x
            for letter in ink.text:
                span = width_of(letter, ink.font) * ink.size
                found.append(
                    (letter, (x + span / 2) / self.width, (ink.y - 0.3 * ink.size) / self.height)
                )
                x += span
        return found

    def written_places(self, *, free: bool = False) -> list[tuple[float, float] | None]:
        """Where each character of the answer is drawn; None for tags, marks and spaces."""
        places = self.places()
        starts = [0]
        for ink in self.inks:
            starts.append(starts[-1] + len(ink.text))
        found: list[tuple[float, float] | None] = []
        answer = self.answer()
        for block in self.blocks:
            drawn = [
                p for p in places[starts[block.inks[0]] : starts[block.inks[1]]] if p[0] != " "
            ]
            if free:
                start = len(found) + 2 * bool(found)
            else:
                start = answer.index("<|/det|>\n", len(found)) + len("<|/det|>\n")
            found += [None] * (start - len(found))
            inside = False
            mark = len(block.text) - len(block.text.lstrip("# "))
            taken = 0
            for number, letter in enumerate(block.text):
                inside = inside or (block.label == "table" and letter == "<")
                if inside or letter == " " or number < mark:
                    found.append(None)
                else:
                    if drawn[taken][0] != letter:
                        raise ValueError(f"{letter!r} was drawn as {drawn[taken][0]!r}")
                    found.append(drawn[taken][1:])
                    taken += 1
                inside = inside and letter != ">"
        return found

    def free_text(self) -> str:
        """What it should write when asked without boxes."""
        return "\n\n".join(block.text for block in self.blocks)

    def content(self) -> bytes:
        """The page's drawing commands."""
        parts = ["0.6 w"]
        for x0, y0, x1, y1 in self.lines:
            parts.append(f"{x0:.2f} {self.height - y0:.2f} m {x1:.2f} {self.height - y1:.2f} l S")
        for ink in self.inks:
            text = ink.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            mode = f"1 Tr {self.hollow:.2f} w" if self.hollow else "0 Tr"
            parts.append(
                f"BT {mode} /{ink.font} {ink.size:.2f} Tf 1 0 {self.slant:.3f} 1 {ink.x:.2f}"
                f" {self.height - ink.y:.2f} Tm ({text}) Tj ET"
            )
        return "\n".join(parts).encode("latin-1")


def pdf_of(pages: list[DrawnPage]) -> bytes:
    """One PDF of all pages."""
    fonts = sorted({ink.font for page in pages for ink in page.inks})
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b""]
    for font in fonts:
        # Symbol has an encoding of its own.
        encoding = "" if font == "Symbol" else "/Encoding/WinAnsiEncoding"
        objects.append(f"<</Type/Font/Subtype/Type1/BaseFont/{font}{encoding}>>".encode())
    resources = "".join(f"/{font} {3 + number} 0 R" for number, font in enumerate(fonts))
    kids = []
    for page in pages:
        content = page.content()
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
        kids.append(len(objects) + 1)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {page.width:.2f} {page.height:.2f}]"
            f"/Resources<</Font<<{resources}>>>>/Contents {len(objects)} 0 R>>".encode()
        )
    named = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{named}]>>".encode()
    out, starts = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % start for start in starts)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table)
    return bytes(out)


def image_of(page: DrawnPage, long_side: int = VIEW) -> Image.Image:
    """The page as it is rendered for the mode ``tiny``."""
    document = pypdfium2.PdfDocument(pdf_of([page]))
    try:
        scale = long_side / max(page.width, page.height)
        return document[0].render(scale=scale, grayscale=True).to_pil()
    finally:
        document.close()


def made_up(dice: random.Random) -> str:
    """A word that nobody has seen."""
    letters = []
    vowel = dice.random() < 0.4
    for _ in range(dice.randint(3, 8)):
        # I and l begin no word: a capital I is an l in many fonts.
        letters.append(dice.choice(VOWELS if vowel else CONSONANTS))
        vowel = not vowel if dice.random() < 0.85 else vowel
    return "".join(letters).lstrip("il") or "ox"


def figure(dice: random.Random) -> str:
    """A number as tables have it."""
    kind = dice.randrange(7)
    if kind == 0:
        return f"{dice.randint(1, 99)}%"
    if kind == 1:
        return f"{dice.randint(0, 99)}.{dice.randint(0, 99):02}"
    if kind == 2:
        return f"{dice.randint(1, 99)},{dice.randint(0, 999):03}"
    if kind == 3:
        return f"${dice.randint(1, 999)}"
    if kind == 4:
        return str(dice.randint(1900, 2099))
    return str(dice.randint(0, 9999))


def word(dice: random.Random) -> str:
    """Any word."""
    kind = dice.random()
    text = dice.choice(WORDS) if kind < 0.62 else made_up(dice)
    if kind > 0.92:
        return figure(dice)
    if dice.random() < 0.12:
        return text.capitalize()
    if dice.random() < 0.05:
        return text.upper()
    return text


def phrase(dice: random.Random, count: int) -> list[str]:
    """Words of a heading."""
    words = [dice.choice(WORDS) if dice.random() < 0.7 else made_up(dice) for _ in range(count)]
    if dice.random() < 0.25:
        words[-1] = figure(dice)
    if dice.random() < 0.2:
        return [each.upper() for each in words]
    if dice.random() < 0.4:
        return [each.capitalize() for each in words]
    return [words[0].capitalize(), *words[1:]]


def prose(dice: random.Random, characters: int) -> list[str]:
    """Words of a paragraph with its punctuation."""
    words: list[str] = []
    start = dice.random() < 0.9
    while sum(map(len, words)) + len(words) < characters:
        each = word(dice)
        if start:
            each = each[:1].upper() + each[1:]
        start = False
        mark = dice.random()
        if mark < 0.09:
            each, start = each + ".", True
        elif mark < 0.15:
            each += ","
        elif mark < 0.19:
            each += dice.choice(":;?!")
        elif mark < 0.22:
            each = f"({each})"
        elif mark < 0.25:
            each += dice.choice("-/&'") + dice.choice(WORDS)
        words.append(each)
    if dice.random() < 0.7:
        words[-1] = words[-1].rstrip(".,:;?!") + "."
    return words


@lru_cache(maxsize=65536)
def width_of(text: str, font: str) -> float:
    """Width of a text of size 1."""
    return float(stringWidth(text, font, 1))


@dataclass
class Sheet:
    """A page that is being drawn; everything in pixels of the view but what is written down."""

    dice: random.Random
    width: float  # points
    height: float
    face: tuple[str, str]
    inks: list[Ink] = field(default_factory=list)
    lines: list[tuple[float, float, float, float]] = field(default_factory=list)
    blocks: list[DrawnBlock] = field(default_factory=list)

    @property
    def across(self) -> float:
        """Points of a pixel, across."""
        return self.width / VIEW

    @property
    def down(self) -> float:
        return self.height / VIEW

    def span(self, text: str, font: str, size: float) -> float:
        """Width of a text whose size is given in pixels down."""
        return width_of(text, font) * size * self.down / self.across

    def write(self, x: float, baseline: float, text: str, font: str, size: float) -> None:
        self.inks.append(Ink(x * self.across, baseline * self.down, text, font, size * self.down))

    def rule(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.lines.append((x0 * self.across, y0 * self.down, x1 * self.across, y1 * self.down))

    def add(self, label: str, text: str, box: tuple[float, float, float, float]) -> None:
        x0, y0, x1, y1 = (min(1.0, max(0.0, side / VIEW)) for side in box)
        first = self.blocks[-1].inks[1] if self.blocks else 0
        self.blocks.append(DrawnBlock(label, text, (x0, y0, x1, y1), (first, len(self.inks))))

    def paragraph(
        self, label: str, words: list[str], left: float, top: float, right: float, **print_: object
    ) -> float:
        """Write words between two edges; returns the lower edge, or ``top`` if they do not fit."""
        font, size = str(print_["font"]), float(str(print_["size"]))
        leading = size * self.dice.uniform(1.18, 1.3)
        rows: list[str] = []
        for each in words:
            longer = f"{rows[-1]} {each}" if rows else each
            if rows and self.span(longer, font, size) <= right - left:
                rows[-1] = longer
            elif self.span(each, font, size) <= right - left:
                rows.append(each)
        bottom = top + size * (ASCENT + DESCENT) + leading * (len(rows) - 1)
        if not rows or bottom > VIEW - 12:
            return top
        centred = bool(print_.get("centred")) and len(rows) == 1
        ends = []
        x = left
        for number, row in enumerate(rows):
            span = self.span(row, font, size)
            x = left + (right - left - span) / 2 if centred else left
            self.write(x, top + size * ASCENT + leading * number, row, font, size)
            ends.append(x + span)
        mark = {"title": "# ", "sub_title": "## "}.get(label, "")
        self.add(label, mark + " ".join(rows), (x if centred else left, top, max(ends), bottom))
        return bottom

    def table(self, left: float, top: float, right: float, size: float, budget: int) -> float:
        """Draw a table of figures; returns the lower edge, or ``top`` if it does not fit."""
        dice, (regular, bold) = self.dice, self.face
        columns, rows = dice.choice(((2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (3, 4)))
        rows = max(2, min(rows, 1 + budget // (columns * 6)))
        cells = [[dice.choice(WORDS).capitalize() for _ in range(columns)]]
        for _ in range(rows - 1):
            first = dice.choice(WORDS) if dice.random() < 0.7 else made_up(dice)
            cells.append([first, *(figure(dice) for _ in range(columns - 1))])
        head = bold if dice.random() < 0.6 else regular
        fonts = [head, *[regular] * (rows - 1)]
        pad = dice.uniform(8, 14)
        spans = [
            max(self.span(row[column], font, size) for row, font in zip(cells, fonts, strict=True))
            + 2 * pad
            for column in range(columns)
        ]
        height = size * dice.uniform(1.4, 1.75)
        bottom = top + height * rows
        if sum(spans) > right - left or bottom > VIEW - 12:
            return top
        stretch = 1 + (right - left - sum(spans)) * dice.random() / sum(spans)
        spans = [span * stretch for span in spans]
        edges = [left + sum(spans[:column]) for column in range(columns + 1)]
        for row, (line, font) in enumerate(zip(cells, fonts, strict=True)):
            baseline = top + height * row + (height + size * (ASCENT - DESCENT)) / 2
            for column, text in enumerate(line):
                self.write(edges[column] + pad, baseline, text, font, size)
        style = dice.random()
        for row in range(rows + 1):
            self.rule(left, top + height * row, edges[-1], top + height * row)
        for edge in edges if style < 0.75 else ():
            self.rule(edge, top, edge, bottom)
        html = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in cells)
        self.add("table", f"<table>{html}</table>", (left, top, edges[-1], bottom))
        return bottom


def drawn_page(dice: random.Random, level: float = 1.0, face: tuple[str, str] = FACE) -> DrawnPage:
    """Draw a page.

    Args:
        dice: Decides everything.
        level: How full it may be: 0 is a word, 1 a whole page.
        face: Regular and bold font.
    """
    height = dice.uniform(300, 420)
    sheet = Sheet(dice, height * dice.uniform(0.8, 1.0), height, face)
    regular, bold = sheet.face
    left, right = dice.uniform(18, 56), VIEW - dice.uniform(18, 48)
    top = dice.uniform(18, 70 + 300 * (1 - level) * dice.random())
    size = dice.uniform(34, 40)
    budget = round(dice.uniform(0.3, 1.0) * (6 + 84 * level))

    def gap() -> float:
        # Wider than between the lines of a paragraph, or nobody could tell where one ends.
        return dice.uniform(24, 40)

    if dice.random() < 0.5:
        low = sheet.paragraph(
            "title", phrase(dice, dice.randint(1, 2)), left, top, right,
            font=bold, size=dice.uniform(43, 49), centred=dice.random() < 0.4,
        )  # fmt: skip
        top = low + gap() if low > top else top
    columns = False
    for _ in range(7):
        left_over = budget - sum(len(ink.text) for ink in sheet.inks)
        if (sheet.blocks and left_over < 8) or top > VIEW - 60:
            break
        kind = dice.random()
        if kind < 0.18 and sheet.blocks[-1:] and sheet.blocks[-1].label != "sub_title":
            low = sheet.paragraph(
                "sub_title",
                phrase(dice, dice.randint(1, 2)),
                left,
                top,
                right,
                font=bold,
                size=size,
            )
        elif kind < 0.40:
            low = sheet.table(left, top, right, size * dice.uniform(0.9, 1.0), max(8, left_over))
        elif kind < 0.52 and not columns and left_over > 40:
            columns = True
            middle = (left + right) / 2
            lows = [
                sheet.paragraph(
                    "text", prose(dice, dice.randint(14, max(16, left_over // 2))), x0, top, x1,
                    font=regular, size=size,
                )
                for x0, x1 in ((left, middle - 14), (middle + 14, right))
            ]  # fmt: skip
            low = max(lows)
        else:
            count = dice.randint(3, max(4, min(80, left_over)))
            low = sheet.paragraph(
                "text", prose(dice, count), left, top, right, font=regular, size=size
            )
        top = low + gap() if low > top else top
    if not sheet.blocks:
        return drawn_page(dice, level, face)
    return DrawnPage(
        sheet.width, sheet.height, tuple(sheet.blocks), tuple(sheet.inks), tuple(sheet.lines)
    )


def page_with(title: str, text: str, *, cells: tuple[tuple[str, ...], ...] = ()) -> DrawnPage:
    """Draw a page with these words: a title, a paragraph and a table, whichever there are."""
    regular, bold = FACE
    sheet = Sheet(random.Random(0), 324.0, 360.0, FACE)
    top = 40.0
    if title:
        top = sheet.paragraph("title", title.split(), 40, top, 480, font=bold, size=46) + 32
    if text:
        top = sheet.paragraph("text", text.split(), 40, top, 480, font=regular, size=37) + 32
    if cells:
        spans = [
            max(sheet.span(row[n], bold, 36) for row in cells) + 20 for n in range(len(cells[0]))
        ]
        edges = [40 + sum(spans[:n]) for n in range(len(spans) + 1)]
        for row, line in enumerate(cells):
            for x, cell in zip(edges, line, strict=False):
                sheet.write(x + 10, top + 58 * row + 42, cell, bold if row == 0 else regular, 36)
        bottom = top + 58 * len(cells)
        for row in range(len(cells) + 1):
            sheet.rule(40, top + 58 * row, edges[-1], top + 58 * row)
        for edge in edges:
            sheet.rule(edge, top, edge, bottom)
        html = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in cells)
        sheet.add("table", f"<table>{html}</table>", (40, top, edges[-1], bottom))
    return DrawnPage(
        sheet.width, sheet.height, tuple(sheet.blocks), tuple(sheet.inks), tuple(sheet.lines)
    )
